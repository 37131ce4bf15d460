"""What is read from a transcript before it becomes rows, and how the recording's windows fit their words."""

from dataclasses import dataclass

import numpy as np

from medalign.concepts import Mention
from medalign.core.alignment import WindowAlignment
from medalign.core.analysis import Correction
from medalign.core.transcript import Transcript
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.evidence import TextEvidence, overlap_s
from medalign.pipeline.heard_language import Stretches
from medalign.pipeline.listener import EncodedRecording

DROPPED_SPEECH_S = 2.0  # this much voice without one written word is a mismatch


@dataclass(frozen=True)
class AnnotatedTranscript:
    """A transcript with its speakers, and what is read from it."""

    transcript: Transcript
    corrections: tuple[Correction, ...]
    mentions: tuple[Mention, ...]  # with those that rest on a correction
    other_language: Stretches  # where nothing is read from the words
    window_texts: list[str]  # the words in each of the recording's windows
    window_embeddings: np.ndarray  # (n_windows, d) the teacher's, zero rows where there are no words
    evidence: TextEvidence


def align_windows(
    encoded: EncodedRecording, annotated: AnnotatedTranscript, calibration: Calibration
) -> tuple[WindowAlignment, ...]:
    """Each window's audio against the words under it, and against silence where a voice is heard and no word stands."""
    percentiles = calibration.percentile(encoded.audio, annotated.window_embeddings)
    rows = []
    score: float | None
    percentile: float | None
    for i, ((start_s, end_s), text) in enumerate(zip(encoded.windows_s, annotated.window_texts, strict=True)):
        if text:
            score = round(float(annotated.evidence.window_scores[i]), 4)
            percentile = round(float(percentiles[i]), 1)
            is_mismatch = percentile < calibration.low_percentile
        else:
            score = percentile = None
            is_mismatch = overlap_s((start_s, end_s), encoded.speech_s) >= DROPPED_SPEECH_S
        rows.append(WindowAlignment(round(start_s, 3), round(end_s, 3), score, percentile, text, is_mismatch))
    return tuple(rows)
