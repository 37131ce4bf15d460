"""Word errors are told where they are, whatever the recogniser's segments are."""

import numpy as np

from medalign.core.transcript import Segment, Transcript
from medalign.evaluation.word_errors import segment_error_rates


def transcript(*rows: tuple[float, float, str]) -> Transcript:
    return Transcript(tuple(Segment(start_s, end_s, text, ()) for start_s, end_s, text in rows))


SAID = transcript((0, 4, "I have had a cough for two weeks."), (5, 8, "Any fever with it?"), (9, 10, "No, none."))


def test_the_same_words_in_other_segments_are_no_errors():
    written = transcript((0, 2, "i have had a"), (2, 10, "cough for 2 weeks any fever with it no none"))
    assert segment_error_rates(SAID, written).tolist() == [0, 0]


def test_a_wrong_word_counts_in_its_own_segment_only():
    written = transcript((0, 4, "I have had a calf for two weeks"), (5, 8, "Any fever with it?"), (9, 10, "No, none."))
    assert segment_error_rates(SAID, written).tolist() == [1 / 8, 0, 0]


def test_invented_and_dropped_words_count_where_they_are_or_nearest_to_it():
    written = transcript((0, 4, "I have had a cough for two weeks"), (5, 8, "Any fever with it?"), (20, 22, "Thank you"))
    rates = segment_error_rates(SAID, written)
    assert rates[0] == rates[1] == 0 and rates[2] == 1.0  # both words said there were written as others
    invented = segment_error_rates(
        SAID, transcript(*[(s.start_s, s.end_s, s.text) for s in SAID.segments], (20, 22, "Bye now"))
    )
    assert invented.tolist() == [0, 0, 0, 2]
    dropped = segment_error_rates(SAID, transcript((0, 4, "I have had a cough for two weeks"), (5, 8, "Any fever")))
    assert dropped.tolist() == [0, 4 / 6]


def test_nothing_written_and_nothing_said():
    assert segment_error_rates(SAID, Transcript(())).shape == (0,)
    assert np.array_equal(segment_error_rates(Transcript(()), transcript((0, 1, "Hello there"))), [2.0])
