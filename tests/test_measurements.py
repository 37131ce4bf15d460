"""Numbers with a meaning, as a GP would read them off a transcript; and numbers that mean nothing of the kind."""

import pytest

from medalign.concepts import ConceptBank, find_mentions, transcript_from_text
from medalign.concepts.measurements import find_measurements
from medalign.core.transcript import Segment, Transcript, Word

CASES = [
    ("My temperature was thirty eight point five.", "temperature", "38.5", "°C", "thirty eight point five"),
    ("It was 101.3 degrees Fahrenheit.", "temperature", "101.3", "°F", "101.3 degrees Fahrenheit"),
    ("We measured 38.5 degrees this morning.", "temperature", "38.5", "°C", "38.5 degrees"),
    ("He had 39°C yesterday.", "temperature", "39", "°C", "39°C"),
    ("One hundred and forty over ninety.", "blood pressure", "140/90", "mmHg", "One hundred and forty over ninety"),
    ("BP 140/90, okay?", "blood pressure", "140/90", "mmHg", "140/90"),
    ("Your pulse is 88.", "pulse", "88", "/min", "88"),
    ("Her heart rate was about ninety six.", "pulse", "96", "/min", "ninety six"),
    ("His sats are ninety four percent.", "oxygen saturation", "94", "%", "ninety four percent"),
    ("I lost two kilos.", "weight", "2", "kg", "two kilos"),
    ("Five hundred milligrams of amoxicillin.", "dose", "500", "mg", "Five hundred milligrams"),
    ("Take 500mg.", "dose", "500", "mg", "500mg"),
    ("She takes 2,000 mg.", "dose", "2000", "mg", "2,000 mg"),
    ("Ten units of insulin.", "dose", "10", "units", "Ten units"),
    ("I drink about 20 units a week.", "alcohol", "20", "units", "20 units"),
    ("I smoke ten cigarettes a day.", "tobacco", "10", "cigarettes", "ten cigarettes"),
    ("Twice a day, with food.", "frequency", "2", "a day", "Twice a day"),
    ("Three times a week.", "frequency", "3", "a week", "Three times a week"),
    ("Use it every six hours.", "frequency", "every 6", "hours", "six hours"),
    ("It has been two to three days.", "duration", "2-3", "days", "two to three days"),
    ("I've had this for a couple of weeks.", "duration", "2", "weeks", "couple of weeks"),
    ("It started three days ago.", "duration", "3", "days ago", "three days ago"),
    ("It started about a week ago.", "duration", "1", "week ago", "a week ago"),
    ("For half an hour.", "duration", "0.5", "hours", "an hour"),
]
NOTHING = [
    "I'm forty years old.",
    "She is a woman of thirty years of age.",
    "We won three over five.",
    "I moved here in 1995 with two sisters.",
    "My house number is 38.",
    "Once I had a dog.",
    "Give me one second.",
    "A day like this is rare.",
    "",
]


def measured(text: str):
    transcript, bank = transcript_from_text(text), ConceptBank.default()
    return find_measurements(transcript, find_mentions(transcript, bank), bank)


@pytest.mark.parametrize(("text", "kind", "value", "unit", "said"), CASES, ids=[case[0] for case in CASES])
def test_a_number_is_read_with_its_kind_unit_and_words(text, kind, value, unit, said):
    (found,) = measured(text)
    assert (found.kind, found.value, found.unit, found.text) == (kind, value, unit, said)


@pytest.mark.parametrize("text", NOTHING)
def test_other_numbers_are_left_alone(text):
    assert measured(text) == ()


def test_dose_and_frequency_belong_to_the_medicine_and_a_duration_to_the_nearest_concept():
    found = measured("I've had a cough for three weeks. I take five hundred milligrams of paracetamol twice a day.")
    assert [(m.kind, m.concept_id) for m in found] == [
        ("duration", "HP:0012735"),
        ("dose", "DRUG:paracetamol"),
        ("frequency", "DRUG:paracetamol"),
    ]


def test_a_number_far_from_any_medicine_belongs_to_none():
    words = [Word(0.0, 0.5, "Paracetamol.", 1.0), Word(60.0, 60.5, "Two", 1.0), Word(60.5, 61.0, "tablets.", 1.0)]
    transcript = Transcript((Segment(0.0, 61.0, "Paracetamol. Two tablets.", tuple(words)),))
    bank = ConceptBank.default()
    (found,) = find_measurements(transcript, find_mentions(transcript, bank), bank)
    assert found.concept_id is None and (found.start_s, found.end_s) == (60.0, 61.0)


def test_a_sentence_cut_into_segments_is_read_as_one():
    first = Segment(0.0, 1.0, "it was thirty", (Word(0.0, 0.5, "temperature", 1.0), Word(0.5, 1.0, "thirty", 1.0)))
    rest = tuple(Word(1 + i / 4, 1.2 + i / 4, word, 1.0) for i, word in enumerate(["nine", "point", "two."]))
    second = Segment(1.0, 2.0, "nine point two.", rest)
    bank = ConceptBank.default()
    (found,) = find_measurements(Transcript((first, second)), (), bank)
    assert (found.value, found.start_s) == ("39.2", 0.5)
