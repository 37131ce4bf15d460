"""What an aligned student hears in a body sound: how any words fit it, among reference clips, and which of these are like it.

Conventions: as in `medalign.pipeline.auscultation`. A fit is a percentile among reference clips of the same kind, from a place
that the student was not trained on; never a probability of a disease.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import CheckpointError, DataError
from medalign.core.files import read_json
from medalign.core.weights import BODY_SOUND_STUDENT
from medalign.models.sound_references import REMEDY, SoundReferences
from medalign.models.student import Student
from medalign.models.teacher import Teacher

KNOWN = 0.55  # cosine of words to the nearest report that the student learnt from, below which it has not learnt them
TOLD = 0.2  # of words, as a share of their length, what tells one label from another; below it they tell none
N_NEAREST = 10  # reference clips whose labels are told
HOP_S = 1.0  # between windows of the fit over time
DEFAULT_PHRASES = ("normal heart sounds", "abnormal heart sounds")
MAX_PHRASES = 5
UNSEEN_SITE_FILE = "unseen_site.json"
TRAINING_FILE = "training.json"


@dataclass(frozen=True)
class PhraseFit:
    """How words fit the whole recording, and its windows."""

    phrase: str
    percentile: float | None  # share of the reference clips that they fit worse; None: words it has not learnt
    windows: tuple[tuple[float, float, float], ...] = ()  # start and end in seconds, percentile


@dataclass(frozen=True)
class Heard:
    """What a student hears in one recording."""

    student: str
    fits: tuple[PhraseFit, ...]
    nearest: dict[str, int]  # labels of the reference clips that are most like it, and how many have each
    n_references: int
    place: str  # of the reference clips
    unseen_auroc: float | None  # of normal against abnormal there, by words alone
    n_trained: int | None  # recordings that the student learnt from, none of them of that place


class SoundListener:
    """A student of hearts, its teacher, and its reference clips."""

    def __init__(self, student: Student, teacher: Teacher, references: SoundReferences):
        self.student, self.references = student, references
        self._teacher = teacher
        self._reports = teacher.encode([text for text, _ in references.texts])
        told = [label for _, label in references.texts]
        means = np.stack([self._reports[[t == label for t in told]].mean(0) for label in sorted(set(told))])
        self._centre = means.mean(0)
        # Unit vectors that span what tells the labels apart: no more than that was learnt.
        self._learnt = np.linalg.svd(means - self._centre)[2][: len(means) - 1]

    @classmethod
    def default(cls, name: str = BODY_SOUND_STUDENT) -> "SoundListener":
        """Raises WeightsError, CheckpointError: there is no such student, or it has no reference clips."""
        student = Student.from_pretrained(name)
        references = SoundReferences.load(student.folder) if student.folder is not None else None
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
        whole, *windows = self.student.encode([waveform, *parts])
        known, targets = self._targets(asked)
        fits = []
        for phrase, is_known, target in zip(asked, known, targets, strict=True):
            among = np.sort(self.references.embeddings @ target)
            over_time = [(*span, _percentile(among, float(w @ target))) for span, w in zip(spans, windows, strict=True)]
            fit = PhraseFit(phrase, _percentile(among, float(whole @ target)), tuple(over_time))
            fits.append(fit if is_known else PhraseFit(phrase, None))
        likeness = self.references.embeddings @ whole
        nearest = Counter(self.references.labels[i] for i in np.argsort(-likeness)[:N_NEAREST])
        n, place = len(self.references.labels), self.references.place
        told = n, place, self.unseen_auroc, self.n_trained
        return Heard(self.student.info.name, tuple(fits), dict(nearest.most_common()), *told)

    @property
    def n_trained(self) -> int | None:
        n = self._story(TRAINING_FILE).get("n_train_rows")
        return None if n is None else int(n)

    @property
    def unseen_auroc(self) -> float | None:
        rows = [row for row in self._story(UNSEEN_SITE_FILE).get("rows", ()) if row.get("zero_shot_auroc") is not None]
        return float(rows[0]["zero_shot_auroc"]) if rows else None

    def _story(self, name: str) -> dict[str, Any]:
        """A file beside the weights; empty if there is none."""
        folder = self.student.folder
        path = folder / name if folder is not None else Path()
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
        duration_s, window_s = n_samples / SAMPLE_RATE_HZ, self.student.config.window_s
        n = 1 + max(0, int((duration_s - window_s) / HOP_S))
        return [(i * HOP_S, min(i * HOP_S + window_s, duration_s)) for i in range(n)]


def _percentile(sorted_scores: np.ndarray, score: float) -> float:
    return round(100 * float(np.searchsorted(sorted_scores, score)) / len(sorted_scores), 1)
