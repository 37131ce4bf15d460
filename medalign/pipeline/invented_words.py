"""Invented words: what a recogniser writes over a cough or a breath, fluent and polite ("Thank you for watching!").

The recogniser's own doubt does not tell these from a short answer: over both it is unsure. What the student hears does, since
a cough is one to it whatever is written over it. So a segment is withheld by both together, with one logistic fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medalign.core.transcript import Segment, Transcript
from medalign.models.sound_events import LABELS, STEPS_PER_S
from medalign.pipeline.logistic_fit import LogisticFit

SOUND_EVENT_LEAD = 2  # column of the features
LEAST_STEPS = 3  # of sound that is looked at: Whisper's times are no finer


@dataclass(frozen=True)
class InventedWords:
    """A segment that was withheld."""

    start_s: float
    end_s: float
    text: str
    sound: str  # what is heard there instead, of `LABELS`


def without_invented(
    transcript: Transcript, lead: np.ndarray, fit: LogisticFit, threshold: float
) -> tuple[Transcript, tuple[InventedWords, ...]]:
    """The transcript without the segments that nobody spoke, and those.

    Args:
        lead: (n_steps, k) how far each kind of sound event is over its threshold, as `SoundEventDetector.lead` gives it.
        fit: of "invented words", on `invented_features`.
    """
    measured = [segment for segment in transcript.segments if segment.mean_log_probability is not None]
    if not measured or not len(lead):
        return transcript, ()
    invented = are_invented(invented_features(measured, lead), fit, threshold)
    withheld = [segment for segment, is_invented in zip(measured, invented, strict=True) if is_invented]
    if not withheld:
        return transcript, ()
    kept = tuple(segment for segment in transcript.segments if segment not in withheld)
    found = tuple(InventedWords(s.start_s, s.end_s, s.text, LABELS[_heard(s, lead).max(0).argmax()]) for s in withheld)
    return replace(transcript, segments=kept, language=transcript.language if kept else None), found


def invented_features(segments: Sequence[Segment], lead: np.ndarray) -> np.ndarray:
    """The recogniser's two figures, and the highest lead of a sound event, (n, 3); segments must have these figures."""
    rows = [(s.mean_log_probability, s.no_speech_probability or 0.0, float(_heard(s, lead).max())) for s in segments]
    return np.array(rows, float).reshape(-1, 3)


def are_invented(features: np.ndarray, fit: LogisticFit, threshold: float) -> np.ndarray:
    """Of each segment whether nobody spoke it, (n,): the fit finds it likely enough, and a sound event is heard there."""
    return (fit.probability(features) >= threshold) & (features[:, SOUND_EVENT_LEAD] >= 0)


def _heard(segment: Segment, lead: np.ndarray) -> np.ndarray:
    """The steps under a segment, at least one of them."""
    first = min(int(segment.start_s * STEPS_PER_S), len(lead) - 1)
    return lead[first : max(first + LEAST_STEPS, int(np.ceil(segment.end_s * STEPS_PER_S)))]
