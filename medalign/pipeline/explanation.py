"""Why a segment got its score: the words that carry it, its place among other texts, and when each word is said.

Conventions: embeddings are unit vectors (n, d); a score is the cosine of a sound and a text.
"""

from collections.abc import Sequence

import numpy as np

from medalign.core.alignment import UtterancePoint
from medalign.core.errors import DataError
from medalign.core.explanation import Explanation, WordSupport
from medalign.core.transcript import Segment, Transcript
from medalign.pipeline.listener import EncodedRecording, Listener
from medalign.pipeline.segment_quality import MIN_SEGMENT_S

MAX_WORDS = 60  # of a segment; a longer one would be a wall of bars
PHRASE_WORDS = 3  # taken together: single words say little to a sentence encoder
SLICE_S, SLICE_HOP_S = 2.0, 0.5


def explain(listener: Listener, transcript: Transcript, encoded: EncodedRecording, index: int) -> Explanation:
    """Why segment `index` got its score.

    Leaving out one word after the other is occlusion (Zeiler and Fergus, arXiv 1311.2901, section 4.2).

    Raises:
        DataError: there is no such segment.
    """
    if not 0 <= index < len(transcript.segments):
        raise DataError(f"segment {index + 1} does not exist; the transcript has {len(transcript.segments)}")
    segment = transcript.segments[index]
    words = segment.words[:MAX_WORDS]
    slices_s = _slices(segment)
    stretch = (segment.start_s, max(segment.end_s, segment.start_s + MIN_SEGMENT_S))
    audio = listener.student.embed(encoded.frames, [stretch, *slices_s])
    said = [word.text for word in words]
    without = [" ".join(said[:i] + said[i + 1 :]) for i in range(len(said))] if len(said) > 1 else []
    phrases = [" ".join(said[max(0, i - PHRASE_WORDS // 2) : i + PHRASE_WORDS // 2 + 1]) for i in range(len(said))]
    text = listener.teacher.encode([segment.text, *without, *phrases])
    score = float(audio[0] @ text[0])
    others = np.sort(listener.calibration.distractors @ audio[0])
    support = score - text[1 : 1 + len(without)] @ audio[0] if without else np.full(len(said), score)
    cells = text[1 + len(without) :] @ audio[1:].T  # (n_words, n_slices)
    return Explanation(
        *(segment.start_s, segment.end_s, segment.text),
        score=round(score, 4),
        percentile=round(float(100 * (others < score).mean()), 1),
        other_scores=tuple(others.round(4).tolist()),
        words=tuple(WordSupport(word, round(float(s), 4)) for word, s in zip(words, support, strict=True)),
        slices_s=tuple(slices_s),
        word_scores=tuple(tuple(row) for row in cells.round(4).tolist()),
    )


def _slices(segment: Segment) -> list[tuple[float, float]]:
    """Overlapping pieces of the segment's sound, at least one."""
    n = max(1, int(np.ceil((segment.end_s - segment.start_s - SLICE_S) / SLICE_HOP_S)) + 1)
    starts = segment.start_s + SLICE_HOP_S * np.arange(n)
    return [(round(float(s), 3), round(float(s) + SLICE_S, 3)) for s in starts]


def utterance_points(segments: Sequence[Segment], audio: np.ndarray, text: np.ndarray) -> tuple[UtterancePoint, ...]:
    """Each segment's words and sound, (n, d) each, projected onto a plane. Empty for fewer than three: they span no plane.

    The plane has the two directions along which words and sounds vary together most: singular vectors of their
    cross-covariance, as in partial least squares. Each side is centred by itself: all sounds lie a little off all texts
    (the modality gap, arXiv 2203.02053), and an ordinary PCA would spend its first direction on that.
    """
    if len(segments) < 3:
        return ()
    text, audio = text - text.mean(0), audio - audio.mean(0)
    left, _, right = np.linalg.svd(audio.T @ text, full_matrices=False)
    axes = left[:, :2] + right[:2].T  # (d, 2) the mean of both sides' directions, which are nearly the same
    axes *= np.sign(axes.sum(0)) / np.linalg.norm(axes, axis=0)  # svd leaves the sign open; a picture must not flip
    text, audio = (text @ axes).round(4).tolist(), (audio @ axes).round(4).tolist()
    return tuple(UtterancePoint(s.start_s, s.end_s, tuple(t), tuple(a)) for s, t, a in zip(segments, text, audio, strict=True))
