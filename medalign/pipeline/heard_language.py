"""Another language, written down as fluent English: what an English-only recogniser makes of it.

Its words are English and it is sure of them, so neither tells. But they are not what is said: the student hears the sound, and
of texts that have nothing to do with it, many fit it as well.
"""

from dataclasses import replace

import numpy as np

from medalign.concepts.language import MIN_WORDS, UNDETERMINED, is_english
from medalign.core.transcript import Transcript
from medalign.pipeline.listener import EncodedRecording, Listener

N_SEGMENTS = 30  # spread over the recording: enough to tell a language, and an hour costs no more
# Mean percentile, by words, of a transcript's fit with its sound (`medalign results`, "Another language"): at least 94 in
# English of 12 words or more, at most 80 in what is written as English and is none.
MIN_FIT = 87.0


def with_heard_language(transcript: Transcript, encoded: EncodedRecording, listener: Listener) -> Transcript:
    """The transcript, its language `UNDETERMINED` where the words seem English but don't belong to the sound."""
    if len(transcript.words) < MIN_WORDS or not is_english(transcript):
        return transcript
    # A student that fits sound and text less well in general can't be asked for more.
    if heard_fit(transcript, encoded, listener) >= min(MIN_FIT, listener.calibration.low_percentile):
        return transcript
    return replace(transcript, language=UNDETERMINED)


def heard_fit(transcript: Transcript, encoded: EncodedRecording, listener: Listener) -> float:
    """How many unrelated texts fit a segment's sound worse than its own words do, 0 to 100; the mean, by words."""
    chosen = np.unique(np.linspace(0, len(transcript.segments) - 1, N_SEGMENTS).round().astype(int))
    part = replace(transcript, segments=tuple(transcript.segments[i] for i in chosen))
    percentiles = listener.calibration.percentile(*listener.embed_segments(part, encoded))
    return float(np.average(percentiles, weights=[len(segment.words) for segment in part.segments]))
