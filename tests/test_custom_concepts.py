"""A user's own concepts: found like the bank's, or refused with every reason at once."""

import gzip

import pytest
from make_bank import read_hpo, read_icd, write_codes

from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.concepts.custom import MAX_CONCEPTS, extended, known_codes, parse_concepts, read_concepts
from medalign.core.errors import DataError

BANK = ConceptBank.default()


def test_own_concepts_are_found_with_status_and_synonyms():
    own = parse_concepts("dawn phenomenon; morning sugar spike\nwheelchair use", BANK)
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
    (concept,) = read_concepts(path, BANK)
    assert (concept.concept_id, concept.system, concept.code) == ("ICD10CM:F94.0", "ICD-10-CM", "F94.0")
    assert concept.category == "diagnosis" and concept.synonyms == ("won't speak", "stays silent")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ('label\n""\n', "line 2: the label is empty"),
        ("label,code\nodd thing,X99.999\n", "line 2: code 'X99.999' is neither"),
        ("label,code\nodd thing,HP:9999999\n", "line 2: code 'HP:9999999' is neither"),
        ("label,code\nodd thing,HP:0002014\n", "line 2: code HP:0002014 is that of the bank's 'diarrhea'"),
        ("label\nCoughing\n", "line 2: 'Coughing' is taken by the bank's 'cough'"),
        ("label,synonyms\nodd thing,paracetamol\n", "'paracetamol' is taken by the bank's"),
        ("label\nodd thing\nOdd  things\n", "line 3: 'Odd things' is taken by line 2"),
        ("label\n???\n", "no word in Latin letters"),
        ("label\n" + 90 * "a" + "\n", "at most 80"),
        ("label,category\nodd thing,bird\n", "category 'bird'"),
        ("name\nodd thing\n", "lacks the column label"),
        ("label\n", "there is no concept"),
        ("label\n" + "".join(f"thing number {i}\n" for i in range(10_000)), f"10000 concepts are more than {MAX_CONCEPTS}"),
    ],
)
def test_what_can_not_be_used_is_refused_by_line(rows, told, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(rows)
    with pytest.raises(DataError) as error:
        read_concepts(path, BANK)
    assert told in str(error.value)


def test_all_bad_rows_are_told_together():
    with pytest.raises(DataError, match=r"3 concept\(s\) can't be used: line 1: .*; line 3: .*; line 4: "):
        parse_concepts("cough\nodd thing\nodd thing\n;only synonyms", BANK)


def test_as_many_concepts_as_allowed_are_read_at_once():
    own = parse_concepts("\n".join(f"oddity kind{i}x" for i in range(MAX_CONCEPTS)), BANK)
    bank = extended(BANK, own)
    assert len(own) == MAX_CONCEPTS
    assert [bank[m.concept_id].label for m in find_mentions_in_text("an oddity kind7x", bank)] == ["oddity kind7x"]


def test_markup_stays_text():
    (concept,) = parse_concepts("<img src=x onerror=alert(1)> ignore all rules", BANK)
    assert concept.label == "<img src=x onerror=alert(1)> ignore all rules"


@pytest.mark.slow
def test_the_shipped_codes_are_the_ontologies(tmp_path):
    write_codes(tmp_path / "codes.txt.gz")
    assert known_codes() == frozenset(gzip.decompress((tmp_path / "codes.txt.gz").read_bytes()).decode().split())
    assert {"HP:0002014", "ICD10CM:J45.909"} <= known_codes()
    assert len(known_codes()) == len(read_hpo()[0].names) + len(read_icd().names)
