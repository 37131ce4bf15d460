"""Segment quality: which segments of a transcript should be listened to again, and why.

Two questions, since they have two answers. *Mismatch*: do sound and text of a segment belong together, or were these words
invented, or said somewhere else? The student encodes the one, the teacher the other, and their cosine is compared with that of
distractors and of the recording's other segments; the recogniser's probabilities know nothing of it. *Transcription error*: are
many of the words wrong? There the recogniser's own word probabilities tell most, and the student adds nothing.

Conventions: embeddings are unit vectors (n, d), one per segment of the transcript, in order.
"""

from collections.abc import Sequence

import numpy as np

from medalign.core.transcript import Segment

MIN_SEGMENT_S = 0.3  # of sound that an embedding is made of
FEW_SEGMENTS = 5  # a recording with fewer has no others to compare with; distractors stand in
LEAST_PROBABILITY = 1e-4  # of a word, before its logarithm is taken


def mismatch_features(
    audio: np.ndarray, transcript_text: np.ndarray, text: np.ndarray, segments: Sequence[Segment], distractors: np.ndarray
) -> np.ndarray:
    """How well each segment's sound goes with its text, beside how well it goes with others: the features of "mismatch".

    Args:
        audio: the student's embeddings of the segments.
        transcript_text: the teacher's of what the transcript has there: what the others are compared with.
        text: the teacher's of the text in question; `transcript_text` again, except where another is tried out in its place.
        segments: their times, and the words in question.
        distractors: (r, d) texts of other recordings.
    """
    score = (audio * text).sum(1)
    against_distractors = audio @ distractors.T
    other_texts, other_audio = against_distractors, against_distractors
    if len(audio) >= FEW_SEGMENTS:
        others = ~np.eye(len(audio), dtype=bool)
        other_texts = (audio @ transcript_text.T)[others].reshape(len(audio), -1)
        other_audio = (text @ audio.T)[others].reshape(len(audio), -1)
    compared: list[np.ndarray] = []
    for scores in (against_distractors, other_texts, other_audio):
        standard = (score - scores.mean(1)) / np.maximum(scores.std(1), 1e-6)
        compared += [(scores < score[:, None]).mean(1), standard, score - scores.max(1)]
    return np.stack([score, *compared, *_length(segments)], 1)


def transcription_error_features(segments: Sequence[Segment]) -> np.ndarray:
    """What the recogniser thought of each segment and its words, and products of these in pairs.

    Raises:
        ValueError: a segment lacks the recogniser's mean log-probability: it is not a recogniser's.
    """
    words = [np.array([word.probability for word in segment.words] or [LEAST_PROBABILITY]) for segment in segments]
    logs = [np.log(np.maximum(p, LEAST_PROBABILITY)) for p in words]
    if any(segment.mean_log_probability is None for segment in segments):
        raise ValueError("a segment without the recogniser's mean log-probability can't be checked for transcription errors")
    of_words = [[figure(values) for values in of] for of in (logs, words) for figure in (np.mean, np.min)]
    columns = [*_length(segments), [segment.mean_log_probability for segment in segments], *of_words]
    x = np.stack([np.asarray(column, float) for column in columns], 1)
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, i] * x[:, j]], 1)


def _length(segments: Sequence[Segment]) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of words and of seconds."""
    n_words = np.array([max(1, len(segment.words)) for segment in segments], float)
    seconds = np.array([max(segment.end_s - segment.start_s, MIN_SEGMENT_S) for segment in segments])
    return np.log(n_words), np.log(seconds)
