"""In which sense a number is said: whose it is, and whether anybody has it at all."""

from dataclasses import replace

import page_fixtures
import pytest

from medalign.concepts import ConceptBank, find_mentions, transcript_from_text
from medalign.concepts.measurements import find_measurements
from medalign.concepts.senses import number_senses, senses_of


def senses(text: str) -> list[tuple[str, str]]:
    transcript, bank = transcript_from_text(text), ConceptBank.default()
    found = find_measurements(transcript, find_mentions(transcript, bank), bank)
    return [(m.value, sense) for m, sense in zip(found, number_senses(transcript, found), strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Her temperature was 38.5 degrees this morning.", "present"),
        ("If your temperature goes over 38 degrees, ring us.", "hypothetical"),
        ("My mother's blood pressure was 180 over 100.", "family"),
        ("I don't drink 20 units a week.", "negated"),
        ("I used to smoke 20 cigarettes a day.", "historical"),
        ("Doctor: Is your temperature above 38 degrees?\nPatient: No.", "negated"),
        ("You should stay under 130 over 80.", "uncertain"),
        ("The target is 120 over 80.", "uncertain"),
        ("Try to drink less than 14 units a week.", "uncertain"),
        ("We want your sats at 94 percent.", "uncertain"),
        ("Maybe ten cigarettes a day.", "present"),
        ("You don't have a temperature, 36.5.", "present"),
        ("Your BMI is 33, and your waist has gone up.", "present"),
        ("I borrowed an inhaler from my wife, and it helps for 2 hours.", "present"),
        ("My wife has an inhaler, and it helps for 2 hours.", "family"),
    ],
)
def test_the_words_around_a_number_tell_its_sense(text, expected):
    ((_, sense),) = senses(text)
    assert sense == expected


def test_each_number_is_judged_by_itself():
    text = "Your blood pressure is 140 over 90 and your pulse is 88. My husband had a temperature of 39 degrees."
    assert senses(text) == [("140/90", "present"), ("88", "present"), ("39", "family")]


def test_a_number_whose_words_were_edited_away_is_not_taken_for_certain():
    transcript, bank = transcript_from_text("My pulse is 88."), ConceptBank.default()
    (pulse,) = find_measurements(transcript, (), bank)
    assert number_senses(transcript, [replace(pulse, start_s=50.0, end_s=51.0)]) == ("uncertain",)
    assert number_senses(transcript_from_text(""), [pulse]) == ("uncertain",)


def test_whose_a_number_is_tells_the_mention_to_which_it_is_tied():
    """Its own sentence names a relative, and the complaint that lasted so long is the patient's; or the other way round."""
    usual = page_fixtures.analysis()
    cough = usual.concepts[0]
    lasted = replace(usual.measurements[0], concept_id=cough.concept_id)
    for status in ("present", "family"):
        rows = (replace(cough, status=status),)
        assert senses_of(replace(usual, concepts=rows, measurements=(lasted,))) == (status,)
