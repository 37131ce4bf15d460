"""How the sound of a recording and its transcript fit each other, over time: frozen values of an `Analysis`."""

from dataclasses import dataclass
from typing import Literal

Reason = Literal["mismatch", "transcription_error", "other_language"]


@dataclass(frozen=True)
class WindowAlignment:
    """How well the audio of one window matches the transcript under it.

    `percentile` is the share (0-100) of a fixed set of distractor texts that fit this audio worse than the transcript
    does; `score` is the raw cosine. All three are None where the transcript has no word in the window.
    """

    start_s: float
    end_s: float
    score: float | None
    percentile: float | None
    transcript_text: str
    is_mismatch: bool  # audio and text don't match: listen again


@dataclass(frozen=True)
class SegmentCheck:
    """Whether a segment of the transcript should be listened to again, and why."""

    start_s: float
    end_s: float
    score: float  # cosine of its sound and its text
    mismatch: float  # 0 to 1, the higher the less sound and text belong together; no probability
    # Probability that over two words in five are wrong, by the recogniser's own figures; None where there are none.
    transcription_error: float | None
    reason: Reason | None  # None: no need


@dataclass(frozen=True)
class ConceptTrack:
    """One concept over time: the student's calibrated probability in each window of the alignment, in order."""

    concept_id: str
    label: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class UtterancePoint:
    """One segment in the shared space, projected: where the teacher puts its words and the student its sound.

    The plane is the recording's own (see `shared_space`), so coordinates of two recordings have nothing to do with each
    other.
    """

    start_s: float
    end_s: float
    text: tuple[float, float]
    audio: tuple[float, float]


@dataclass(frozen=True)
class Alignment:
    """The recording cut into equal windows, each compared with its transcript and with the concepts."""

    window_s: float
    hop_s: float
    windows: tuple[WindowAlignment, ...]
    tracks: tuple[ConceptTrack, ...]  # same order as `Analysis.concepts`
    mismatch_below_percentile: float
    segments: tuple[SegmentCheck, ...] = ()  # one for each of the transcript; none if the student has no fit of segment quality
    points: tuple[UtterancePoint, ...] = ()  # one for each segment of the transcript
