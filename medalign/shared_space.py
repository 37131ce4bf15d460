"""A recording's words and sounds in the space that teacher and student share, laid flat to be looked at."""

from collections.abc import Sequence

import numpy as np

from medalign.analysis import UtterancePoint
from medalign.transcript import Segment


def utterance_points(segments: Sequence[Segment], audio: np.ndarray, text: np.ndarray) -> tuple[UtterancePoint, ...]:
    """Each segment's words and sound, (n, d) each, laid flat. None for fewer than three segments: they span no plane.

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
    return tuple(
        UtterancePoint(s.start_s, s.end_s, tuple(t), tuple(a)) for s, t, a in zip(segments, text, audio, strict=True)
    )
