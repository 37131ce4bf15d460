"""A recogniser that goes on repeating what was said is cut off; a person who repeats a word is not."""

import numpy as np
import pytest

from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.transcript import Segment, Transcript, Word
from medalign.pipeline.repetitions import Repetition, without_repetitions
from medalign.pipeline.warnings_about import warnings_about
from medalign.training.data.voices import speak


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


def test_twelve_times_no_is_neither_a_hundred_times_nor_once(transcriber):
    pause = np.zeros(round(0.4 * SAMPLE_RATE_HZ), np.float32)
    waveform = np.concatenate([pause, *[part for _ in range(12) for part in (speak("No.", "flite-awb"), pause)]])
    recording = Recording("no.wav", waveform, SAMPLE_RATE_HZ, 1)
    written = transcriber.transcribe(recording)
    transcript, cut = without_repetitions(written)
    assert len(written.words) > 60, "no loop: this recogniser needs another example"
    assert 10 <= len(transcript.words) <= 20
    (told,) = warnings_about(recording, transcript, cut)
    assert "over and over" in told and str(len(written.words) - len(transcript.words)) in told
