"""What was fitted on held-out speech and is shipped with a student: logistic fits, and texts to compare scores with.

A cosine between audio and text means nothing by itself. Everything shown is therefore a percentile among distractors (texts
of other recordings) or a calibrated probability.

Conventions: embeddings are unit vectors (n, d); cosines are in [-1, 1]; k is the number of concepts in the bank.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from medalign.core.errors import CheckpointError
from medalign.core.files import read_json, read_tensors, write_tensors
from medalign.pipeline.logistic_fit import LogisticFit

DISTRACTOR_SHARE = 0.3  # of the distance to the best; of 0.3, 0.5 and 1 the best on the validation speech
OTHER_ASR_THRESHOLD = 0.9
FITS_FILE, DISTRACTORS_FILE = "fits.json", "distractors.safetensors"

_RECOGNISER = ("log_words", "log_seconds", "mean_log_probability", "mean_word_log_probability", "lowest_word_log_probability",
               "mean_word_probability", "lowest_word_probability")  # fmt: skip
_SUGGESTION = ("sound", "spelling", "margin", "doubt", "oddness", "log_letters", "audio_cosine", "audio_probability")
# Each fit by its question, with the features that it is computed from here; a file with others is refused.
FEATURES: dict[str, tuple[str, ...]] = {
    "concept in audio": ("cosine", "cosine_behind_best"),
    "mention in text": ("cosine", "lowest_word_probability"),
    "misheard name, shortlist": _SUGGESTION,
    "misheard name": (*_SUGGESTION, "log_likelihood_ratio", "lead_over_next"),
    "mismatch": (
        "score",
        *(
            f"{others}: {figure}"
            for others in ("distractors", "other texts", "other audio")
            for figure in ("share_below", "standard_score", "lead_over_best")
        ),
        "log_words",
        "log_seconds",
    ),
    "transcription error": (*_RECOGNISER, *(f"{a} * {b}" for i, a in enumerate(_RECOGNISER) for b in _RECOGNISER[i:])),
    "invented words": ("mean_log_probability", "no_speech_probability", "sound_event_lead"),
    "critical negation": ("word_log_probability", "is_negation"),
    "critical number": ("word_log_probability", "is_number"),
    "critical medicine": ("word_log_probability", "name_log_odds", "is_uncommon", "follows_verb"),
    "fusion": (
        *("written", "written: text_logit", "written: audio_logit", "written: log_mentions"),
        *("corrected", "corrected: name_logit", "corrected: audio_logit"),
        *("audio only", "audio only: best_logit", "audio only: second_logit", "audio only: text_cosine"),
        *("audio only: text_behind_best", "audio only: window_score", "audio only: word_probability", "audio only: log_words"),
    ),
}


@dataclass(frozen=True)
class _Stored:
    """The content of `FITS_FILE`."""

    low_percentile: float
    asr_revision: str
    concepts: tuple[str, ...]
    fits: dict[str, LogisticFit]


@dataclass(frozen=True)
class Calibration:
    """What scores are compared with; the fits by their question, see `FEATURES`."""

    distractors: np.ndarray  # (n, d) the teacher's embeddings of what was said in held-out windows
    low_percentile: float  # of held-out windows whose audio and text match, one in twenty lies below
    fits: Mapping[str, LogisticFit] = field(default_factory=dict)
    concepts: frozenset[str] = frozenset()  # ids of those that "concept in audio" was fitted on
    asr_revision: str = ""  # of the recogniser whose log-likelihoods "misheard name" was fitted on

    def with_fit(self, name: str, fit: LogisticFit) -> "Calibration":
        return replace(self, fits={**self.fits, name: fit})

    def without(self, *names: str) -> "Calibration":
        return replace(self, fits={name: fit for name, fit in self.fits.items() if name not in names})

    def check_fitted(self, name: str, option: str) -> None:
        """Raises CheckpointError if there is no such fit; `option` of the command makes one."""
        if name not in self.fits:
            raise CheckpointError(f"this student has no fit of '{name}' yet; give {option}")

    def percentile(self, audio: np.ndarray, text: np.ndarray) -> np.ndarray:
        """Share (0-100) of the distractors that fit each audio (n, d) worse than its own text (n, d) does; (n,)."""
        score = (audio * text).sum(1, keepdims=True)
        return 100 * (audio @ self.distractors.T < score).mean(1)

    def concept_probability(self, cosines: np.ndarray, fitted: np.ndarray | None = None) -> np.ndarray:
        """The student's probability (n, k) that a concept is mentioned in a window, from its sound alone.

        Args:
            cosines: (n, k) of each window's audio with every concept.
            fitted: (k,) whether the fit knows the concept; all if not given. Others are measured against the best of these,
                so that adding a concept to the bank, or one of the user's own, changes no other.
        """
        return self.fits["concept in audio"].probability(concept_features(cosines, fitted))

    def mention_probability(self, cosines: np.ndarray, word_probability: np.ndarray) -> np.ndarray:
        """The teacher's probability (m,) that a mention in a transcript was really said.

        Args:
            cosines: (m,) of the text around the mention with its concept.
            word_probability: (m,) the recogniser's lowest probability among the words of the mention.
        """
        return self.fits["mention in text"].probability(np.stack([cosines, word_probability], -1))

    def threshold(self, name: str, asr_revision: str) -> float:
        """The probability from which on a fit on a recogniser's figures says yes; higher for one that nothing was fitted on.

        With another one's likelihoods a fit is too sure of itself: base's precision in "misheard name" fell by nine points,
        by four with this.
        """
        threshold = self.fits[name].threshold
        return threshold if asr_revision == self.asr_revision else max(threshold, OTHER_ASR_THRESHOLD)

    def save(self, folder: Path) -> None:
        write_tensors({"distractors": self.distractors.astype(np.float16)}, folder / DISTRACTORS_FILE)
        stored = asdict(_Stored(self.low_percentile, self.asr_revision, tuple(sorted(self.concepts)), dict(self.fits)))
        scratch = folder / f"{FITS_FILE}.part"
        scratch.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        scratch.replace(folder / FITS_FILE)

    @classmethod
    def load(cls, folder: Path, embed_dim: int | None = None) -> "Calibration":
        """Raises CheckpointError: the student's folder holds no readable calibration, or one of other features or width.

        Args:
            embed_dim: of the teacher that texts are to be compared by; None where only the fits are asked for.
        """
        remedy = "give a complete student folder"
        distractors = read_tensors(folder / DISTRACTORS_FILE, {"distractors": (None, embed_dim)}, remedy=remedy)["distractors"]
        stored = read_json(folder / FITS_FILE, _Stored, remedy=remedy)
        for name in ("concept in audio", "mention in text"):
            if name not in stored.fits:
                raise CheckpointError(f"{folder / FITS_FILE} lacks the fit '{name}'; run `medalign calibrate` again")
        for name, fit in stored.fits.items():
            if fit.features != FEATURES.get(name):
                raise CheckpointError(
                    f"the fit '{name}' in {folder / FITS_FILE} was made for other features ({', '.join(fit.features)}); "
                    "fit it again with this version"
                )
        concepts = frozenset(stored.concepts)
        return cls(distractors.astype(np.float32), stored.low_percentile, stored.fits, concepts, stored.asr_revision)


def concept_features(cosines: np.ndarray, fitted: np.ndarray | None = None) -> np.ndarray:
    """What the student's probability is fitted on, (n, k, 2): the cosine, and how far it is behind the window's best.

    The margin keeps a concept's neighbours in meaning from all being reported at once. Standardising each concept by its
    own background, tried first, did worse: average precision 0.25 over held-out windows, against 0.60.
    """
    best = (cosines if fitted is None else cosines[:, fitted]).max(1, keepdims=True)
    return np.stack([cosines, np.minimum(cosines - best, 0)], -1)


def against_distractors(cosines: np.ndarray) -> np.ndarray:
    """Cosines (n, k), each lowered by a share of how far it is behind its clip's best: (n, k), for ranking clips.

    A clip near everything is near each concept by accident. Softmax over all concepts, CLIP's way, goes too far here:
    several concepts may be said at once, or none.
    """
    return cosines + DISTRACTOR_SHARE * (cosines - cosines.max(1, keepdims=True))
