"""What an aligned student hears in a body sound: how any words fit it, among reference clips, and which of these are like it.

Conventions: as in `medalign.pipeline.auscultation`. A fit is a percentile among reference clips of the same kind, from a place
that the student was not trained on; never a probability of a disease. A sound unlike all that the student learnt from, such
as a cough, a voice or a heart made by a program, would get a percentile like any other, so it gets none.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import CheckpointError, DataError
from medalign.core.files import read_json
from medalign.core.weights import BODY_SOUND_STUDENT
from medalign.evaluation.bootstrap import with_interval
from medalign.evaluation.label_probe import mean_auroc
from medalign.models.sound_references import REMEDY, SoundReferences, hear
from medalign.models.student import Student
from medalign.models.teacher import Teacher

KNOWN = 0.55  # cosine of words to the nearest report that the student learnt from, below which it has not learnt them
TOLD = 0.2  # of words, as a share of their length, what tells one label from another; below it they tell none
UNFAMILIAR = 2.0  # percentile of the familiarity among the reference clips, below which a sound is compared with nothing
N_NEAREST = 10  # reference clips whose labels are told
HOP_S, MAX_WINDOWS = 1.0, 40  # between windows of the fit over time, at least, and of them at most
DEFAULT_PHRASES = ("normal heart sounds", "abnormal heart sounds")
MAX_PHRASES = 5
TRAINING_FILE = "training.json"


@dataclass(frozen=True)
class PhraseFit:
    """How words fit the whole recording, and its windows."""

    phrase: str
    percentile: float | None  # share of the reference clips that they fit worse; None: words it has not learnt
    windows: tuple[tuple[float, float, float], ...] = ()  # start and end in seconds, percentile


@dataclass(frozen=True)
class Trust:
    """What a student learnt from, and how it does where the reference clips are from, by words alone."""

    student: str
    trained_on: str  # the set, in words; empty: not known
    n_trained: int | None  # recordings
    place: str  # of the reference clips, none of which it was trained on
    n_references: int
    n_familiar: int  # of them, which it would compare with words
    auroc: list[float] | None  # of their labels, with its 95 % interval over recordings; None: they have one label only


@dataclass(frozen=True)
class Heard:
    """What a student hears in one recording."""

    trust: Trust
    familiarity: float | None  # share of the reference clips that are less like what it learnt from; None: not known
    fits: tuple[PhraseFit, ...]  # none, as of the nearest, where the sound is too unfamiliar
    nearest: dict[str, int]  # labels of the reference clips that are most like it, and how many have each


class SoundListener:
    """A student of hearts, its teacher, and its reference clips."""

    def __init__(self, student: Student, teacher: Teacher, references: SoundReferences):
        self.student, self.references = student, references
        self._teacher = teacher
        self._reports = teacher.encode([text for text, _ in references.texts])
        labels = np.array([label for _, label in references.texts])
        self._names = np.unique(labels)
        self._means = np.stack([self._reports[labels == name].mean(0) for name in self._names])
        self._centre = self._means.mean(0)
        # Unit vectors that span what tells the labels apart: no more than that was learnt.
        self._learnt = np.linalg.svd(self._means - self._centre)[2][: len(self._names) - 1]

    @classmethod
    def default(cls, name: str = BODY_SOUND_STUDENT) -> "SoundListener":
        """Raises WeightsError, CheckpointError: there is no such student, or it has no reference clips."""
        student = Student.from_pretrained(name)
        references = SoundReferences.load(student.folder, student.config.head.embed_dim) if student.folder is not None else None
        if references is None:
            raise CheckpointError(f"'{name}' has no reference clips, without which a score says nothing; {REMEDY}")
        return cls(student, Teacher(student.config.teacher), references)

    def hear(self, waveform: Float[np.ndarray, " samples"], phrases: Sequence[str] = DEFAULT_PHRASES) -> Heard:
        """
        Raises:
            DataError: no phrase, or more than `MAX_PHRASES`.
        """
        asked = [" ".join(phrase.split()) for phrase in phrases if phrase.strip()]
        if not 1 <= len(asked) <= MAX_PHRASES:
            raise DataError(f"{len(asked)} phrases; give one to {MAX_PHRASES}")
        spans = self._spans(len(waveform))
        parts = [waveform[round(start * SAMPLE_RATE_HZ) : round(end * SAMPLE_RATE_HZ)] for start, end in spans]
        windows, found = hear(self.student, parts, self.references.length_s)
        among, familiar = self.references.familiarity, None
        if among is not None and found is not None:
            familiar = _percentile(np.sort(among), float(np.median(found)))
            if familiar < UNFAMILIAR:
                return Heard(self.trust, familiar, (), {})
        whole = windows.mean(0) / np.linalg.norm(windows.mean(0))
        known, targets = self._targets(asked)
        fits = []
        for phrase, is_known, target in zip(asked, known, targets, strict=True):
            others = np.sort(self.references.embeddings @ target)
            over_time = [(*span, _percentile(others, float(w @ target))) for span, w in zip(spans, windows, strict=True)]
            fit = PhraseFit(phrase, _percentile(others, float(whole @ target)), tuple(over_time))
            fits.append(fit if is_known else PhraseFit(phrase, None))
        likeness = self.references.embeddings @ whole
        nearest = Counter(self.references.labels[i] for i in np.argsort(-likeness)[:N_NEAREST])
        return Heard(self.trust, familiar, tuple(fits), dict(nearest.most_common()))

    @cached_property
    def trust(self) -> Trust:
        known = self.references
        compared = np.full(len(known.labels), True)
        if known.familiarity is not None:
            compared = known.familiarity >= np.percentile(known.familiarity, UNFAMILIAR)
        truth = (np.array(known.labels)[:, None] == self._names)[compared]
        scores = (known.embeddings @ (self._means - self._centre).T)[compared]
        auroc: list[float] | None = None
        if truth.any(0).sum() > 1:  # of one label nothing is told apart
            rows = np.arange(len(truth))
            auroc = with_interval(lambda i: mean_auroc(scores[i], truth[i], np.zeros(len(i), int)), rows)
        n = self._story().get("n_train_rows")
        return Trust(self.student.info.name, known.trained_on, n, known.place, len(known.labels), len(truth), auroc)

    def _story(self) -> dict[str, Any]:
        """Of the training; empty where nobody wrote it down."""
        path = (self.student.folder or Path()) / TRAINING_FILE
        return read_json(path, dict, error=CheckpointError, remedy=REMEDY) if path.is_file() else {}

    def _targets(self, phrases: list[str]) -> tuple[np.ndarray, Float[np.ndarray, "n dim"]]:
        """Whether each was learnt, and where it lies among what was: around the reports' mean, as in training."""
        embeddings = self._teacher.encode(phrases)
        away = embeddings - self._centre
        targets = away / np.linalg.norm(away, axis=1, keepdims=True).clip(1e-9) @ self._learnt.T @ self._learnt
        size = np.linalg.norm(targets, axis=1, keepdims=True)
        known = ((embeddings @ self._reports.T).max(1) >= KNOWN) & (size[:, 0] >= TOLD)
        return known, targets / size.clip(1e-9)

    def _spans(self, n_samples: int) -> list[tuple[float, float]]:
        duration_s, window_s = n_samples / SAMPLE_RATE_HZ, self.references.length_s
        hop_s = max(HOP_S, (duration_s - window_s) / (MAX_WINDOWS - 1))
        starts = [i * hop_s for i in range(1 + max(0, int((duration_s - window_s) / hop_s + 1e-9)))]
        return [(round(start_s, 2), round(min(start_s + window_s, duration_s), 2)) for start_s in starts]


def _percentile(sorted_scores: np.ndarray, score: float) -> float:
    return round(100 * float(np.searchsorted(sorted_scores, score)) / len(sorted_scores), 1)
