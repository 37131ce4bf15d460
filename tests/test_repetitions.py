"""A recogniser that goes on repeating what was said is cut off; a person who repeats a word is not."""

import numpy as np
import pytest

from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.transcript import Segment, Transcript, Word
from medalign.pipeline.repetitions import Repetition, without_repetitions
from medalign.pipeline.warnings_about import warnings_about


def transcript_of(*segments: list[tuple[str, float]]) -> Transcript:
    """Words with the seconds that each takes, one after another."""
    made, now_s = [], 0.0
    for said in segments:
        words = []
        for text, seconds in said:
            words.append(Word(now_s, now_s + seconds, text, 0.9))
            now_s += seconds
        made.append(Segment(words[0].start_s, now_s, " ".join(w.text for w in words), tuple(words)))
    return Transcript(tuple(made), "en")


NO, HURRIED_NO = ("No.", 0.4), ("No.", 0.0)


@pytest.mark.parametrize(
    "said",
    [
        [NO] * 12,
        [("no,", 0.13)] * 9,  # as fast as one can
        [("It", 0.2), ("was", 0.1), ("very,", 0.3), ("very,", 0.0), ("very", 0.3), ("bad.", 0.4)],
        [("Yeah,", 0.4), ("yeah,", 0.3), ("yeah,", 0.3), ("yeah,", 0.08), ("yeah,", 0.0)],  # times are not exact
        [("It", 0.2), ("hurts", 0.3), ("and", 0.2), ("it", 0.02), ("hurts.", 0.3)],
    ],
)
def test_what_a_person_repeats_stays(said):
    transcript = transcript_of(said)
    assert without_repetitions(transcript) == (transcript, ())


def test_a_loop_ends_where_its_sound_does_also_in_the_segments_after():
    before, after = [("Any", 0.2), ("allergies?", 0.5)], [("What", 0.2), ("else?", 0.3)]
    kept, cut = without_repetitions(transcript_of(before, [NO] * 12 + [HURRIED_NO] * 50, [HURRIED_NO] * 38, after))
    assert [len(segment.words) for segment in kept.segments] == [2, 12, 2]
    assert kept.segments[1].text == " ".join(["No."] * 12)
    assert cut == (Repetition(0.7, pytest.approx(5.5), "No.", 88),)


def test_a_phrase_is_cut_with_the_beginning_that_it_breaks_off_after():
    phrase, hurried = ([("Thank", s), ("you", s), ("doctor.", s)] for s in (0.3, 0.0))
    kept, (cut,) = without_repetitions(transcript_of(phrase * 2 + hurried * 5 + hurried[:2], [("Bye.", 0.3)]))
    assert kept.text == "Thank you doctor. Thank you doctor. Bye."
    assert cut.phrase == "Thank you doctor." and cut.n_cut == 5


# What tiny.en wrote of twelve "No." by flite's voice awb, 0.4 s apart: 112 words, and where each begins and ends.
STARTS_S = (
    0.24, 1.72, 3.66, 4.64, 4.8, 5.56, 5.9, 6.78, 7.08, 7.8, 8.34, 9.62, 9.62, 10.82, 10.94, 11.24, 11.86, 11.96, 12.4,
    *[12.44] * 93,
)  # fmt: skip
ENDS_S = (
    1.04, 2.24, 3.7, 4.72, 5.28, 5.9, 6.78, 7.08, 7.8, 8.34, 8.94, 9.62, 9.96, 10.82, 10.94, 11.24, 11.86, 11.96, 12.4,
    *[12.44] * 93,
)  # fmt: skip


def test_twelve_times_no_is_neither_a_hundred_times_nor_a_few():
    words = tuple(Word(a, b, "No,", 0.95) for a, b in zip(STARTS_S, ENDS_S, strict=True))
    written = Transcript((Segment(words[0].start_s, words[-1].end_s, "", words),), "en")
    transcript, cut = without_repetitions(written)
    assert len(written.words) == 112 and 12 <= len(transcript.words) <= 18
    recording = Recording("no.wav", np.full(13 * SAMPLE_RATE_HZ, 0.1, np.float32), SAMPLE_RATE_HZ, 1)
    (told,) = warnings_about(recording, transcript, cut)
    assert told.startswith("From 0.2 to 12.4 s the recogniser wrote “No,” over and over")
    assert f"{112 - len(transcript.words)} repetitions were left out" in told
