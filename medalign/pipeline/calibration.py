"""From cosines to something a person can read: concepts as texts, percentiles and calibrated probabilities.

A raw cosine between audio and text means nothing by itself. Everything shown is therefore placed against a fixed
reference, fitted on held-out consultation speech and shipped with the student.

Conventions: embeddings are unit vectors (n, d); cosines are in [-1, 1]; k is the number of concepts in the bank.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from medalign.core.files import read_tensors

RIVAL_SHARE = 0.3  # of the distance to the best; of 0.3, 0.5 and 1 the best on the validation speech

OTHER_ASR_THRESHOLD = 0.9

REFERENCE_FILE = "reference.safetensors"


@dataclass(frozen=True)
class Calibration:
    """What scores are compared with: held-out texts, and the calibration fitted on held-out speech."""

    text: np.ndarray  # (n, d) the teacher's embeddings of what was said in held-out windows
    student_fit: np.ndarray  # (3,) slopes for cosine and margin, intercept: logit of the student's probability
    teacher_fit: np.ndarray  # (3,) slopes for cosine and word probability, intercept: the same for a mention in the text
    student_threshold: float  # probability from which on the student hears a concept: best F1 on held-out windows
    alarm_below_percentile: float  # of matching held-out windows, one in twenty lies below
    # Of a garbled name, features and intercept: which are worth a second pass, how likely one is after it, and from which
    # probability on it is suggested.
    shortlist_fit: np.ndarray | None = None
    correction_fit: np.ndarray | None = None
    correction_threshold: float = 1.0
    correction_asr: str = ""  # revision of the recogniser whose second pass that was fitted on

    def percentile(self, audio: np.ndarray, text: np.ndarray) -> np.ndarray:
        """Share (0-100) of the reference texts that fit each audio (n, d) worse than its own text (n, d) does; (n,)."""
        own = (audio * text).sum(1, keepdims=True)
        return 100 * (audio @ self.text.T < own).mean(1)

    def heard(self, cosines: np.ndarray, n_bank: int | None = None) -> np.ndarray:
        """The student's probability (n, k) that a concept is mentioned in a window, from its sound alone.

        Args:
            cosines: (n, k) of each window's audio with every concept.
            n_bank: how many of them, from the first on, are the bank's; all if not given. A user's own concepts behind
                them are measured against the bank's best, so that adding one changes no other.
        """
        return _sigmoid(heard_features(cosines, n_bank) @ self.student_fit[:-1] + self.student_fit[-1])

    def read(self, cosines: np.ndarray, word_probability: np.ndarray) -> np.ndarray:
        """The teacher's probability (m,) that a mention in a transcript was really said.

        Args:
            cosines: (m,) of the text around the mention with its concept.
            word_probability: (m,) the recogniser's lowest probability among the words of the mention.
        """
        features = np.stack([cosines, word_probability], -1)
        return _sigmoid(features @ self.teacher_fit[:-1] + self.teacher_fit[-1])

    def suspected(self, features: np.ndarray) -> np.ndarray:
        """The probability (n,) that a stretch was the suggested name, before the second pass; `shortlist_fit` must be there."""
        return _sigmoid(features @ self.shortlist_fit[:-1] + self.shortlist_fit[-1])

    def misheard(self, features: np.ndarray) -> np.ndarray:
        """The same after it; `correction_fit` must be there."""
        return _sigmoid(features @ self.correction_fit[:-1] + self.correction_fit[-1])

    def correction_threshold_for(self, asr: str) -> float:
        """The probability from which on a name is suggested; higher for a recogniser (revision) that nothing was fitted on.

        With another one's likelihoods the fit is too sure of itself: base's precision fell by nine points, by four with this.
        """
        return self.correction_threshold if asr == self.correction_asr else max(self.correction_threshold, OTHER_ASR_THRESHOLD)

    def save(self, folder: Path) -> None:
        tensors = {
            "text": self.text.astype(np.float16),
            "student_fit": self.student_fit,
            "teacher_fit": self.teacher_fit,
            "student_threshold": np.array([self.student_threshold]),
            "alarm_below_percentile": np.array([self.alarm_below_percentile]),
        }
        if self.correction_fit is not None:
            tensors["shortlist_fit"] = self.shortlist_fit
            tensors["correction_fit"] = self.correction_fit
            tensors["correction_threshold"] = np.array([self.correction_threshold])
        save_file(tensors, folder / REFERENCE_FILE, metadata={"correction_asr": self.correction_asr})

    @classmethod
    def load(cls, folder: Path) -> "Calibration":
        """Raises CheckpointError if the student's folder holds no readable reference."""
        path = folder / REFERENCE_FILE
        one, fit = (1,), (3,)
        shapes = {"text": (None, None), "student_fit": fit, "teacher_fit": fit}
        shapes |= {"student_threshold": one, "alarm_below_percentile": one}
        stored = read_tensors(path, shapes, remedy="give a complete student folder")
        with safe_open(path, "numpy") as file:
            noted = file.metadata() or {}
        return cls(
            text=stored["text"].astype(np.float32),
            student_fit=stored["student_fit"],
            teacher_fit=stored["teacher_fit"],
            student_threshold=float(stored["student_threshold"][0]),
            alarm_below_percentile=float(stored["alarm_below_percentile"][0]),
            shortlist_fit=stored.get("shortlist_fit"),
            correction_fit=stored.get("correction_fit") if "shortlist_fit" in stored else None,
            correction_threshold=float(stored.get("correction_threshold", [1.0])[0]),
            correction_asr=noted.get("correction_asr", ""),
        )


def heard_features(cosines: np.ndarray, n_bank: int | None = None) -> np.ndarray:
    """What the student's probability is fitted on, (n, k, 2): the cosine, and how far it is behind the window's best.

    The margin keeps a concept's neighbours in meaning from all being heard at once. Standardising each concept by its
    own background, tried first, did worse: average precision 0.25 over held-out windows, against 0.60.
    """
    best = cosines[:, :n_bank].max(1, keepdims=True)
    return np.stack([cosines, np.minimum(cosines - best, 0)], -1)


def against_distractors(cosines: np.ndarray) -> np.ndarray:
    """Cosines (n, k), each lowered by a share of how far it is behind its clip's best: (n, k), for ranking clips.

    A clip near everything is near each concept by accident. Softmax over all concepts, CLIP's way, goes too far here:
    several concepts may be said at once, or none.
    """
    return cosines + RIVAL_SHARE * (cosines - cosines.max(1, keepdims=True))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
