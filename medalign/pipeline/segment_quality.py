"""The transcript alarm: which segments should be listened to again, and why.

Two questions, since they have two answers. *Mismatch*: do sound and text of a segment belong together, or were these words
invented, or said somewhere else? The student hears the one, the teacher reads the other, and their closeness is compared
with that of other texts and of the recording's other segments; the recogniser's probabilities know nothing of it. *Garbled*:
are many of the words wrong? There the recogniser's own word probabilities tell most, and the student adds nothing.

Conventions: embeddings are unit vectors (n, d), one per segment of the transcript, in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from medalign.core.files import read_tensors
from medalign.core.transcript import Segment

ALARM_FILE = "alarm.safetensors"
MIN_SEGMENT_S = 0.3  # of sound that an embedding is made of
FEW_SEGMENTS = 5  # a recording with fewer has no others to compare with; the reference stands in
LEAST_PROBABILITY = 1e-4  # of a word, before its logarithm is taken
N_MISMATCH, N_GARBLED = 12, 7
MEAN_LOG_PROBABILITY = 2  # its column in `garbled_features`


@dataclass(frozen=True)
class SegmentQuality:
    """Two logistic fits with the scores from which on they speak up; shipped with a student."""

    mismatch_fit: np.ndarray  # (N_MISMATCH + 1,)
    mismatch_threshold: float  # one right segment in a hundred is above
    garbled_centre: np.ndarray  # (N_GARBLED,)
    garbled_scale: np.ndarray  # (N_GARBLED,)
    garbled_fit: np.ndarray  # of the scaled features, their products in pairs, and an intercept
    garbled_threshold: float  # three in a hundred

    def mismatch(self, features: np.ndarray) -> np.ndarray:
        """Score (n,) in [0, 1] of `mismatch_features`. Not a probability: nobody knows how often sentences are invented."""
        return _sigmoid(features @ self.mismatch_fit[:-1] + self.mismatch_fit[-1])

    def garbled(self, features: np.ndarray) -> np.ndarray:
        """Probability (n,) that over two words in five are wrong, of `garbled_features`."""
        terms = quadratic((features - self.garbled_centre) / self.garbled_scale)
        return _sigmoid(terms @ self.garbled_fit[:-1] + self.garbled_fit[-1])

    def save(self, folder: Path) -> None:
        save_file({name: np.atleast_1d(np.asarray(value, float)) for name, value in vars(self).items()}, folder / ALARM_FILE)

    @classmethod
    def load(cls, folder: Path) -> "SegmentQuality | None":
        """The alarm that lies in a student's folder; None if nobody fitted one. Raises CheckpointError if it is damaged."""
        path = folder / ALARM_FILE
        if not path.exists():
            return None
        n_products = N_GARBLED * (N_GARBLED + 1) // 2
        shapes = {"mismatch_fit": (N_MISMATCH + 1,), "garbled_centre": (N_GARBLED,), "garbled_scale": (N_GARBLED,)}
        shapes |= {"garbled_fit": (N_GARBLED + n_products + 1,), "mismatch_threshold": (1,), "garbled_threshold": (1,)}
        stored = read_tensors(path, shapes, remedy="run `medalign segment-quality` again")
        thresholds = {name: float(stored[name][0]) for name in ("mismatch_threshold", "garbled_threshold")}
        return cls(**{name: stored[name] for name in shapes} | thresholds)


def mismatch_features(
    audio: np.ndarray, texts: np.ndarray, own: np.ndarray, segments: Sequence[Segment], reference_text: np.ndarray
) -> np.ndarray:
    """How well each segment's sound goes with its text, beside how well it goes with others, (n, N_MISMATCH).

    Args:
        audio: the student's embeddings of the segments.
        texts: the teacher's of what the transcript has there: what the others are compared with.
        own: the teacher's of the text in question; `texts` again, except where one is tried out in another's place.
        segments: their times, and the words in question.
        reference_text: (r, d) texts of other recordings.
    """
    score = (audio * own).sum(1)
    against_reference = audio @ reference_text.T
    other_texts, other_audio = against_reference, against_reference
    if len(audio) >= FEW_SEGMENTS:
        others = ~np.eye(len(audio), dtype=bool)
        other_texts = (audio @ texts.T)[others].reshape(len(audio), -1)
        other_audio = (own @ audio.T)[others].reshape(len(audio), -1)
    compared = [
        column
        for scores in (against_reference, other_texts, other_audio)
        for column in (
            (scores < score[:, None]).mean(1),
            (score - scores.mean(1)) / np.maximum(scores.std(1), 1e-6),
            score - scores.max(1),
        )
    ]
    return np.stack([score, *compared, *_length(segments)], 1)


def garbled_features(segments: Sequence[Segment]) -> np.ndarray:
    """What the recogniser thought of each segment and its words, (n, N_GARBLED)."""
    words = [np.array([word.probability for word in segment.words] or [1.0]) for segment in segments]
    logs = [np.log(np.maximum(p, LEAST_PROBABILITY)) for p in words]
    mean_log_probability = [
        log.mean() if segment.mean_log_probability is None else segment.mean_log_probability
        for segment, log in zip(segments, logs, strict=True)
    ]
    columns = [
        *_length(segments),
        mean_log_probability,
        [log.mean() for log in logs],
        [log.min() for log in logs],
        [p.mean() for p in words],
        [p.min() for p in words],
    ]
    return np.stack([np.asarray(column, float) for column in columns], 1)


def quadratic(x: np.ndarray) -> np.ndarray:
    """Columns of `x` (n, k), then their products in pairs, each with itself too: (n, k + k (k + 1) / 2)."""
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, i] * x[:, j]], 1)


def _length(segments: Sequence[Segment]) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of words and of seconds."""
    n_words = np.array([max(1, len(segment.words)) for segment in segments], float)
    seconds = np.array([max(segment.end_s - segment.start_s, MIN_SEGMENT_S) for segment in segments])
    return np.log(n_words), np.log(seconds)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
