"""Another language, written down as fluent English: what an English-only recogniser makes of it.

Its words are English and it is sure of them, so neither tells. But they are not what is said: the student hears the sound, and
of texts that have nothing to do with it, many fit it as well.
"""

import re
from dataclasses import replace

import numpy as np

from medalign.concepts.language import MIN_WORDS, UNDETERMINED, is_english
from medalign.core.transcript import Transcript
from medalign.pipeline.listener import EncodedRecording, Listener

N_SEGMENTS = 30  # spread over the recording: enough to tell a language, and an hour costs no more
# Mean percentile, by words, of a transcript's fit with its sound: at least 87 in the English of "Another language" in
# assets/results. Where the words go round in circles, as they do in no English there, less tells.
MIN_FIT, MIN_FIT_IN_CIRCLES = 83.0, 95.0
CIRCLES = 0.3  # share of three words in a row that were there within the last `CIRCLE` words; at most 0.05 in that English
CIRCLE = 30


def with_heard_language(transcript: Transcript, encoded: EncodedRecording, listener: Listener) -> Transcript:
    """The transcript, its language `UNDETERMINED` where the words seem English but don't belong to the sound."""
    if len(transcript.words) < MIN_WORDS or not is_english(transcript):
        return transcript
    if belongs_to_its_sound(transcript, heard_fit(transcript, encoded, listener), listener.calibration.low_percentile):
        return transcript
    return replace(transcript, language=UNDETERMINED)


def belongs_to_its_sound(transcript: Transcript, fit: float, usual_fit: float) -> bool:
    """Whether words that seem English are of this sound.

    Args:
        fit: as `heard_fit` gives it.
        usual_fit: of the student's matching windows all but one in twenty reach it: one that is weaker is asked for no more.
    """
    return fit >= min(MIN_FIT_IN_CIRCLES if _circles(transcript) >= CIRCLES else MIN_FIT, usual_fit)


def heard_fit(transcript: Transcript, encoded: EncodedRecording, listener: Listener) -> float:
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
