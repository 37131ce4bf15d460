"""A user's own concepts: found like the bank's, whose wording they extend; a bad line is told and left out."""

import gzip
from dataclasses import replace
from types import SimpleNamespace

import pytest
from make_bank import read_hpo, read_icd, write_codes

from medalign.concepts import ConceptBank, find_mentions, find_mentions_in_text, transcript_from_text
from medalign.concepts.custom import MAX_CONCEPTS, asked_for, extended, known_codes, parse_concepts, read_concepts, unknown_to
from medalign.core.errors import DataError
from medalign.models.status_classifier import StatusClassifier
from medalign.pipeline.assertion import revised

BANK = ConceptBank.default()


def test_own_concepts_are_found_with_status_and_synonyms():
    own, left_out = parse_concepts("dawn phenomenon; morning sugar spike\nwheelchair use", BANK)
    assert not left_out
    bank = extended(BANK, own)
    found = find_mentions_in_text("No morning sugar spikes. He uses a wheelchair use ramp. I have a cough.", bank)
    assert [(bank[m.concept_id].label, m.status) for m in found] == [
        ("dawn phenomenon", "negated"), ("wheelchair use", "present"), ("cough", "present"),
    ]  # fmt: skip
    assert [bank.column[c.concept_id] for c in BANK.concepts] == list(range(len(BANK)))
    assert own[0].concept_id == "CUSTOM:dawn-phenomenon" and own[0].system == "CUSTOM"


def test_a_csv_may_give_codes_and_categories(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("label,synonyms,code,category\nselective mutism,won't speak|stays silent,F94.0,diagnosis\n")
    (concept,), _ = read_concepts(path, BANK)
    assert (concept.concept_id, concept.system, concept.code) == ("ICD10CM:F94.0", "ICD-10-CM", "F94.0")
    assert concept.category == "diagnosis" and concept.synonyms == ("won't speak", "stays silent")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ('label\n""\n', "line 2: the label is empty"),
        ("label,code\nodd thing,X99.999\n", "line 2: code 'X99.999' is neither"),
        ("label,code\nodd thing,HP:9999999\n", "line 2: code 'HP:9999999' is neither"),
        ("label,code\ncough,HP:0002014\n", "several concepts ('cough' is 'cough', 'HP:0002014' is 'diarrhea')"),
        ("label,synonyms\ncough,paracetamol\n", "several concepts ('cough' is 'cough', 'paracetamol' is"),
        ("label\n???\n", "no word in Latin letters"),
        ("label\n" + 90 * "a" + "\n", "at most 80"),
        ("label,category\nodd thing,bird\n", "category 'bird'"),
        ("label\n" + "".join(f"thing number {i}\n" for i in range(1000)), f"1001 concepts are more than {MAX_CONCEPTS}"),
    ],
)
def test_a_line_that_can_not_be_used_is_told_and_stops_no_other(rows, told, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(rows + "green toes\n")
    concepts, left_out = read_concepts(path, BANK)
    assert told in " ".join(left_out)
    assert len(concepts) == MAX_CONCEPTS or [concept.label for concept in concepts] == ["green toes"]


@pytest.mark.parametrize(
    ("rows", "told"), [("name\nodd thing\n", "lacks the column label"), ("label\n", "there is no concept")]
)
def test_a_file_without_concepts_is_refused(rows, told, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(rows)
    with pytest.raises(DataError, match=told):
        read_concepts(path, BANK)


def test_what_the_bank_has_takes_over_the_wording():
    typed = "dawn phenomenon\nCoughing; dog bark noise\n;only synonyms\nDawn  phenomenon; morning spike"
    own, (left_out, told) = parse_concepts(typed, BANK)
    assert "line 3: the label is empty" in left_out
    assert told == "Own concepts: line 2, 'Coughing', is found under the name 'cough'."
    bank = extended(BANK, own)
    assert len(bank) == len(BANK) + 1 and [c.concept_id for c in bank.concepts[: len(BANK)]] == [
        c.concept_id for c in BANK.concepts
    ]
    found = find_mentions_in_text("I had a dog bark noise and a morning spike.", bank)
    assert [bank[m.concept_id].label for m in found] == ["cough", "dawn phenomenon"]
    assert unknown_to(BANK, own) == (own[0],), "the sound is compared with the bank's own embedding"


def test_what_somebody_asks_for_is_seen_though_it_is_no_fact():
    own, _ = parse_concepts("stair dyspnoea; climb the stairs", BANK)
    bank = extended(BANK, own)
    said = transcript_from_text("[patient] I feel short of breath when I climb the stairs.")
    classifier = StatusClassifier.load()
    no_facts = SimpleNamespace(predict=lambda around: replace(made := classifier.predict(around), facts=0 * made.facts))
    for asked, labels in ((asked_for(BANK, BANK), []), (asked_for(bank, BANK), ["difficulty climbing stairs"])):
        found = revised(said, find_mentions(said, bank), bank, no_facts, asked_for=asked)
        assert [bank[mention.concept_id].label for mention in found] == labels


def test_as_many_concepts_as_allowed_are_read_at_once():
    own, _ = parse_concepts("\n".join(f"oddity kind{i}x" for i in range(MAX_CONCEPTS)), BANK)
    bank = extended(BANK, own)
    assert len(own) == MAX_CONCEPTS
    assert [bank[m.concept_id].label for m in find_mentions_in_text("an oddity kind7x", bank)] == ["oddity kind7x"]


def test_markup_stays_text():
    (concept,), _ = parse_concepts("<img src=x onerror=alert(1)> ignore all rules", BANK)
    assert concept.label == "<img src=x onerror=alert(1)> ignore all rules"


@pytest.mark.slow
def test_the_shipped_codes_are_the_ontologies(tmp_path):
    write_codes(tmp_path / "codes.txt.gz")
    assert known_codes() == frozenset(gzip.decompress((tmp_path / "codes.txt.gz").read_bytes()).decode().split())
    assert {"HP:0002014", "ICD10CM:J45.909"} <= known_codes()
    assert len(known_codes()) == len(read_hpo()[0].names) + len(read_icd().names)


def test_what_is_typed_may_be_divided_by_commas_or_be_the_text_of_a_table():
    """“label,synonyms” became a concept of that name, and “no cough, tickle” one whose name nobody says."""
    words = [("dawn phenomenon", ("morning sugar spike",)), ("wheelchair use", ("in a wheelchair", "chair bound"))]
    lines = "dawn phenomenon, morning sugar spike\nwheelchair use{} in a wheelchair{} chair bound"
    table = "label,synonyms\ndawn phenomenon,morning sugar spike\n\nwheelchair use,in a wheelchair|chair bound"
    quoted = 'Label,Code,Synonyms\n"dawn phenomenon",,"morning sugar spike"\nwheelchair use,,in a wheelchair|chair bound'
    for typed in (lines.format(",", ","), lines.format(";", ";"), table, quoted):
        own, left_out = parse_concepts(typed, BANK)
        assert [(concept.label, concept.synonyms) for concept in own] == words and not left_out
    _, (left_out,) = parse_concepts("label,synonyms\n,tickle\nwheelchair use,", BANK)
    assert "line 2: the label is empty" in left_out
