"""Garbled names: suggested where letters and sound fit, left alone where words are words, and never written over."""

from dataclasses import replace
from math import isclose

import numpy as np
import pytest

from medalign.analysis import Correction
from medalign.concepts import ConceptBank, transcript_from_text
from medalign.concepts.mentions import mention_places
from medalign.concepts.misheard import frequency, suggest
from medalign.concepts.tokens import sentences
from medalign.correction import find_corrected_mentions, find_corrections, suggestions
from medalign.student import CHECKPOINTS, DEFAULT_STUDENT
from medalign.testimony import Heard
from medalign.transcript import Transcript
from medalign.zero_shot import Reference

GARBLED = [
    ("I use salby temol when I run.", "salbutamol"),
    ("They gave me bclonthusone last year.", "beclometasone"),
    ("I take floxetine in the morning.", "fluoxetine"),
    ("He gets nick o randal from the chemist.", "nicorandil"),
    ("She is on candace artin.", "candesartan"),
    ("I was told it is contact or metitis.", "contact dermatitis"),
    ("It could be bronchialitis.", "bronchiolitis"),
]
PLAIN = """
My GP thinks we should wait until last spring is over, and he gets the bus at ten. How long have you been taking the
children to school? I read that private lessons can make a difference. We drove to the station and back again.
"""


def bank() -> ConceptBank:
    return ConceptBank.default()


@pytest.mark.parametrize(("text", "label"), GARBLED)
def test_a_garbled_name_is_suggested_with_the_words_it_was_made_of(text, label):
    found = suggestions(transcript_from_text(text), bank())
    best = max((s for s, *_ in found), key=lambda s: s.likeness * s.n_letters)
    assert bank()[best.concept_id].label == label
    assert 0 <= best.sound <= 1 and 0 <= best.spelling <= 1 and best.margin > 0


def test_words_that_are_words_are_left_alone():
    found = [s for s, *_ in suggestions(transcript_from_text(PLAIN), bank())]
    assert all(s.likeness < 0.75 for s in found), [(s.name, s.likeness) for s in found]


def test_a_name_that_is_read_already_is_not_suggested_again():
    (sentence,) = sentences(transcript_from_text("I take salbutamol and floxetine."))
    places = mention_places(sentence, bank())
    found = suggest(sentence, [1.0] * len(sentence), places, bank())
    assert [bank()[s.concept_id].label for s in found] == ["fluoxetine"]


def test_a_doubted_everyday_word_may_be_a_name_and_a_sure_one_not():
    (sentence,) = sentences(transcript_from_text("I take back often."))
    assert suggest(sentence, [1.0] * 4, [], bank()) == ()
    assert "baclofen" in [bank()[s.concept_id].label for s in suggest(sentence, [1, 1, 0.4, 0.3], [], bank())]


def test_frequency_knows_english_and_takes_numbers_for_common():
    assert frequency("station") > 1_000_000 > frequency("salbutamol") == 0
    assert frequency("500") > frequency("the")


def correction(transcript: Transcript, said: str, label: str) -> Correction:
    words = transcript.words
    wanted = said.split()
    at = next(i for i in range(len(words)) if [w.text.strip(".,") for w in words[i : i + len(wanted)]] == wanted)
    last = at + len(wanted) - 1
    concept = bank().by_label(label)
    return Correction(at, last, said, label, concept.concept_id, 0.9, words[at].start_s, words[last].end_s)


def test_status_is_read_as_if_the_name_had_been_written_and_both_wordings_are_shown():
    transcript = transcript_from_text("I don't take salby temol, but floxetine.")
    corrections = [correction(transcript, "salby temol", "salbutamol"), correction(transcript, "floxetine", "fluoxetine")]
    found = find_corrected_mentions(transcript, corrections, bank())
    assert [(bank()[m.concept_id].label, m.status, m.text) for m in found] == [
        ("salbutamol", "negated", "salby temol → salbutamol"),
        ("fluoxetine", "present", "floxetine → fluoxetine"),
    ]
    assert [(m.start_s, m.end_s) for m in found] == [(c.start_s, c.end_s) for c in corrections]
    assert transcript.text == "I don't take salby temol, but floxetine."


def test_the_students_ear_decides_between_equal_suggestions():
    transcript = transcript_from_text("I use salby temol when I run.")
    reference = Reference.load(CHECKPOINTS / DEFAULT_STUDENT)
    column = bank().column[bank().by_label("salbutamol").concept_id]
    fit = np.zeros(9)
    fit[7], fit[8] = 10.0, -5.0  # only the student's probability counts
    reference = replace(reference, correction_fit=fit, correction_threshold=0.5)

    def heard(probability: float) -> Heard:
        p = np.zeros((1, len(bank())))
        p[0, column] = probability
        return Heard(((0.0, 6.0),), p, p)

    (found,) = find_corrections(transcript, heard(0.9), bank(), reference)
    assert (found.said, found.name) == ("salby temol", "salbutamol")
    assert isclose(found.probability, 1 / (1 + np.exp(-4.0)), abs_tol=1e-3)
    assert find_corrections(transcript, heard(0.1), bank(), reference) == ()


def test_a_student_without_a_fit_suggests_nothing_and_a_fit_survives_saving(tmp_path):
    reference = replace(Reference.load(CHECKPOINTS / DEFAULT_STUDENT), correction_fit=None)
    transcript = transcript_from_text("I use salby temol.")
    silent = Heard(((0.0, 6.0),), np.zeros((1, len(bank()))), np.zeros((1, len(bank()))))
    assert find_corrections(transcript, silent, bank(), reference) == ()
    replace(reference, correction_fit=np.arange(9.0), correction_threshold=0.7).save(tmp_path)
    loaded = Reference.load(tmp_path)
    assert loaded.correction_fit.tolist() == list(range(9)) and loaded.correction_threshold == 0.7
    assert find_corrections(Transcript(()), silent, bank(), loaded) == ()
