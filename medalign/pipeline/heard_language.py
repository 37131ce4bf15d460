"""Detection of another language, which an English-only recogniser writes down as fluent English.

Its words are English, so they don't tell. Two things do: the sound itself, by a small head on the student's encoder; and that
such words are not what is said: of texts that have nothing to do with the sound, many fit it as well.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from medalign.concepts.language import MIN_WORDS, UNDETERMINED, is_english
from medalign.core.alignment import SegmentCheck
from medalign.core.transcript import Transcript
from medalign.models.spoken_language import pooled
from medalign.pipeline.evidence import AudioEvidence

if TYPE_CHECKING:
    from medalign.pipeline.listener import EncodedRecording, Listener

N_SEGMENTS = 30  # spread over the recording: enough to tell a language, and an hour costs no more
# Mean percentile, by words, of a transcript's fit with its sound: at least 87 in the English of "Another language" in
# assets/results. Where the words go round in circles, as they do in no English there, less tells.
MIN_FIT, MIN_FIT_IN_CIRCLES = 83.0, 95.0
CIRCLES = 0.3  # share of three words in a row that were there within the last `CIRCLE` words; at most 0.05 in that English
CIRCLE = 30
MIN_STRETCH_S = 1.0  # what is left of a stretch between what a person has written
LIKELIER = 0.0  # log-odds from which on another language is likelier than English; as English it is shown only below
Stretches = Sequence[tuple[float, float]]  # start and end, s


T = TypeVar("T", bound=Any)  # what has `start_s` and `end_s`


def with_heard_language(transcript: Transcript, encoded: "EncodedRecording", listener: "Listener") -> Transcript:
    """The transcript, its language `UNDETERMINED` where the words seem English and the sound doesn't, or they don't belong.

    Whether they belong, a student that isn't aligned can't tell: to it no words fit any sound.
    """
    if len(transcript.words) < MIN_WORDS or not is_english(transcript):
        return transcript
    is_other = not sounds_english(encoded, listener)
    if listener.student.is_aligned:
        fit, usual_fit = heard_fit(transcript, encoded, listener), listener.calibration.low_percentile
        is_other = is_told(belongs_to_its_sound(transcript, fit, usual_fit), not is_other, fit, usual_fit)
    return replace(transcript, language=UNDETERMINED) if is_other else transcript


def other_language(transcript: Transcript, encoded: "EncodedRecording", listener: "Listener") -> Stretches:
    """The parts in another language of a recording that is English on the whole; what a person has written is none of them."""
    if listener.spoken_language is None or not is_english(transcript):
        return ()
    rate = listener.student.encoder.frames_per_s
    found: list[tuple[float, float]] = []
    for start_s, end_s in listener.spoken_language.stretches_s(encoded.frames.numpy(), encoded.speech_s, rate).tolist():
        inside = [segment for segment in transcript.segments if lies_in(segment, [(start_s, end_s)])]
        written = [segment for segment in inside if segment.original_text is None]
        if _fits_as_usual(replace(transcript, segments=tuple(written)), encoded, listener):
            continue
        start_s = float(min([start_s, *(s.start_s for s in inside)]))
        end_s = float(max([end_s, *(s.end_s for s in inside)]))
        for segment in inside:
            if segment.original_text is not None:
                found.append((start_s, segment.start_s))
                start_s = segment.end_s
        found.append((start_s, end_s))
    return tuple(stretch for stretch in found if stretch[1] - stretch[0] >= MIN_STRETCH_S)


def _fits_as_usual(part: Transcript, encoded: "EncodedRecording", listener: "Listener") -> bool:
    """Whether words are those of their sound: English, in whatever accent. A few do not speak for a stretch of 20 s."""
    usual_fit = max(listener.calibration.low_percentile, MIN_FIT_IN_CIRCLES)
    return len(part.words) >= MIN_WORDS and is_english(part) and heard_fit(part, encoded, listener) >= usual_fit


def lies_in(place: Any, stretches: Stretches) -> bool:
    middle_s = (place.start_s + place.end_s) / 2
    return any(start_s <= middle_s <= end_s for start_s, end_s in stretches)


def outside(places: Sequence[T], stretches: Stretches) -> tuple[T, ...]:
    """Those whose middle lies in none of the stretches."""
    return tuple(place for place in places if not lies_in(place, stretches))


def unheard(evidence: AudioEvidence, stretches: Stretches) -> AudioEvidence:
    """The evidence without windows whose middle lies in a stretch: a concept is heard in English only."""
    middles_s = [(start_s + end_s) / 2 for start_s, end_s in evidence.windows_s]
    is_in = np.array([any(a <= middle_s <= b for a, b in stretches) for middle_s in middles_s], bool)
    return replace(evidence, probabilities=np.where(is_in[:, None], 0.0, evidence.probabilities)) if is_in.any() else evidence


def marked(checks: Sequence[SegmentCheck], stretches: Stretches) -> tuple[SegmentCheck, ...]:
    """The checks, with the reason of those that lie in a stretch."""
    return tuple(replace(check, reason="other_language") if lies_in(check, stretches) else check for check in checks)


def heard_in_english(encoded: "EncodedRecording", listener: "Listener") -> AudioEvidence | None:
    """What may be shown before a word is written; None where, so far, another language is likelier.

    The words could still tell that it is English after all, and a concept that waits for them does no harm.
    """
    head = listener.spoken_language
    if head is None:
        return encoded.evidence
    frames, rate = encoded.frames.numpy(), listener.student.encoder.frames_per_s
    if head.log_odds(pooled(frames, encoded.speech_s, rate)) >= LIKELIER:
        return None
    return unheard(encoded.evidence, head.stretches_s(frames, encoded.speech_s, rate).tolist())


def is_told(belongs: bool, sounds_english: bool, fit: float, usual_fit: float) -> bool:
    """Whether it is said that another language is spoken. Words that fit as usual are English, in whatever accent."""
    return not belongs or not sounds_english and fit < max(usual_fit, MIN_FIT_IN_CIRCLES)


def sounds_english(encoded: "EncodedRecording", listener: "Listener") -> bool:
    """By the sound alone; so does everything if nobody fitted such a head for the student's encoder."""
    head = listener.spoken_language
    if head is None:
        return True
    pieces = pooled(encoded.frames.numpy(), encoded.speech_s, listener.student.encoder.frames_per_s)
    return head.log_odds(pieces) < head.threshold


def belongs_to_its_sound(transcript: Transcript, fit: float, usual_fit: float) -> bool:
    """Whether words that seem English are of this sound.

    Args:
        fit: as `heard_fit` gives it.
        usual_fit: of the student's matching windows all but one in twenty reach it: one that is weaker is asked for no more.
    """
    return fit >= min(MIN_FIT_IN_CIRCLES if _circles(transcript) >= CIRCLES else MIN_FIT, usual_fit)


def heard_fit(transcript: Transcript, encoded: "EncodedRecording", listener: "Listener") -> float:
    """How many unrelated texts fit a segment's sound worse than its own words do, 0 to 100; the mean, by words."""
    chosen = np.unique(np.linspace(0, len(transcript.segments) - 1, N_SEGMENTS).round().astype(int))
    part = replace(transcript, segments=tuple(transcript.segments[i] for i in chosen))
    percentiles = listener.calibration.percentile(*listener.embed_segments(part, encoded))
    return float(np.average(percentiles, weights=[len(segment.words) for segment in part.segments]))


def _circles(transcript: Transcript) -> float:
    """Share of three words in a row that were there shortly before."""
    letters = [re.sub(r"[^\w']", "", word.text).lower() for word in transcript.words]
    triples = list(zip(letters, letters[1:], letters[2:], strict=False))
    return sum(triple in triples[max(0, i - CIRCLE) : i] for i, triple in enumerate(triples)) / max(1, len(triples))
