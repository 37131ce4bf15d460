"""Speakers of spoken takes: whose role is right, and how many segments have none."""

import pytest

from medalign.core.errors import DataError
from medalign.core.transcript import DOCTOR, PATIENT, UNKNOWN_SPEAKER, Segment, Transcript, Word
from medalign.evaluation.word_errors import word_outcomes
from medalign.training.data.synthesis import SpokenUtterance, Take, timed_transcript
from medalign.training.fitting.speaker_metrics import measure_speakers

SAID = (SpokenUtterance(0, 2, "doctor", "Any chest pain?"), SpokenUtterance(2, 4, "patient", "No, none at all."))


def written(*segments: tuple[float, float, str, str]) -> Transcript:
    """(start_s, end_s, speaker, text), each word as long as the next."""
    made = []
    for start_s, end_s, speaker, text in segments:
        words, step_s = text.split(), (end_s - start_s) / len(text.split())
        timed = tuple(Word(start_s + i * step_s, start_s + (i + 1) * step_s, word, 1.0) for i, word in enumerate(words))
        made.append(Segment(start_s, end_s, text, timed, speaker))
    return Transcript(tuple(made))


def test_a_word_is_right_if_its_segment_names_who_said_it_whatever_the_recogniser_says_about_time():
    late = written((0.0, 2.6, DOCTOR, "any chess pain? No,"), (2.6, 4.0, PATIENT, "none at all."))
    assert word_outcomes(timed_transcript(SAID), late) == ["right", "right", "right", "wrong", "right", "right", "right"]
    unnamed = written((0.0, 2.0, "speaker 1", "Any chest pain?"), (2.0, 4.0, UNKNOWN_SPEAKER, "No, none at all."))
    assert set(word_outcomes(timed_transcript(SAID), unnamed)) == {"unknown"}


def test_words_that_nobody_said_count_for_who_speaks_nearest():
    transcript = written((0.0, 2.0, DOCTOR, "Any chest pain?"), (4.1, 4.5, PATIENT, "Thank you."))
    assert word_outcomes(timed_transcript(SAID), transcript) == ["right"] * 5
    assert word_outcomes(timed_transcript(SAID), Transcript(())) == []


def test_shares_are_of_all_words_and_of_all_segments(tmp_path):
    take = Take("c", "valid", "c.flac", {"doctor": "piper-joe", "patient": "pico-en-gb"}, SAID, tmp_path)
    transcript = written(
        (0.0, 2.0, DOCTOR, "Any chest pain?"), (2.0, 2.5, UNKNOWN_SPEAKER, "No,"), (2.5, 4.0, PATIENT, "none at all.")
    )
    figures = measure_speakers([(take, transcript)])
    assert (figures["n_takes"], figures["n_words"], figures["n_segments"]) == (1, 7, 3)
    assert figures["role_right"][0] == pytest.approx(6 / 7) and figures["role_wrong"][0] == 0
    assert figures["segments_unknown"][0] == pytest.approx(1 / 3)
    assert figures["takes"]["c"]["voices"] == take.voices


def test_a_take_in_which_both_have_one_voice_is_refused(tmp_path):
    take = Take("c", "valid", "c.flac", {"doctor": "piper-joe", "patient": "piper-joe"}, SAID, tmp_path)
    with pytest.raises(DataError, match="one voice for doctor and patient; speak it anew with two"):
        measure_speakers([(take, written((0.0, 2.0, DOCTOR, "Any chest pain?")))])
