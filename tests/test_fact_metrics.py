"""Facts annotated by reading: what counts as found and as right, and where a fact is lost."""

import csv

import numpy as np
import pytest

from medalign.concepts import ConceptBank
from medalign.core.errors import DataError
from medalign.training.data.consultations import Consultation, Utterance
from medalign.training.data.facts import ANNOTATIONS, Fact, FactNames, read_facts
from medalign.training.fitting import fact_metrics
from medalign.training.fitting.fact_metrics import (
    attribute_losses,
    likeliest,
    measure_facts,
    measure_rows,
    outcome_of,
    read_rows_from_words,
)

BANK = ConceptBank.default()
NAMES = FactNames(BANK, [("tight chest", "chest tightness")])
SAID = {
    "a": ("What brings you in?", "I have a cough and a tight chest.", "Any fever?", "No."),
    "b": ("Any headache?", "No, but I wheeze. My mother has asthma."),
}
CONSULTATIONS = tuple(
    Consultation(name, "valid", tuple(Utterance(("doctor", "patient")[i % 2], text) for i, text in enumerate(said)), "")
    for name, said in SAID.items()
)


def fact(consultation_id: str, name: str, *senses, level="core", kind="symptom") -> Fact:
    return Fact(consultation_id, 0, 0, 1, name, kind, frozenset(senses), "", level)


FACTS = (
    fact("a", "cough", "present"),
    fact("a", "tight chest", "present"),
    fact("a", "fever", "present"),  # which the words deny
    fact("a", "sore throat", "present"),  # which nobody speaks of
    fact("a", "homesickness", "present"),  # no concept of the bank
    fact("b", "wheezing", "present"),
    fact("b", "asthma", "family", kind="diagnosis"),
    fact("b", "headache", "negated", level="acceptable"),
)


@pytest.fixture(scope="module")
def rows():
    return read_rows_from_words(CONSULTATIONS, BANK)


def test_a_fact_is_missed_found_in_another_sense_or_right(rows):
    assert [outcome_of(fact, rows, NAMES) for fact in FACTS[:5]] == ["right", "right", "status", "missed", "no concept"]
    figures = measure_rows(FACTS, rows, NAMES)
    assert figures["n_facts"] == 7 and figures["found"][0] == pytest.approx(5 / 7)
    assert figures["found_in_sense"][0] == pytest.approx(4 / 7) and figures["sense_of_found"][0] == pytest.approx(4 / 5)
    assert figures["by_kind"]["diagnosis"] == {"n": 1, "found": 1.0, "found_in_sense": 1.0}
    low, high = figures["found"][1:]
    assert low <= 5 / 7 <= high


def test_a_row_is_right_if_a_fact_has_its_concept_in_its_sense_whatever_its_level(rows):
    figures = measure_rows(FACTS, rows, NAMES)
    assert figures["n_rows"] == 6  # cough, chest tightness, fever; headache, wheezing, asthma
    assert figures["rows_right"][0] == pytest.approx(5 / 6) and figures["rows_with_right_concept"][0] == 1.0
    without = measure_rows([f for f in FACTS if f.name != "headache"], rows, NAMES)
    assert without["rows_with_right_concept"][0] == pytest.approx(5 / 6)


def test_every_fact_is_lost_at_the_first_step_after_which_it_is_wrong_to_the_end(rows):
    cough, wheezing = (next(iter(NAMES.concept_ids(name))) for name in ("cough", "wheezing"))
    heard = {"a": rows["a"] - {(cough, "present")}, "b": rows["b"]}
    fused = {"a": heard["a"], "b": rows["b"] - {(wheezing, "present")}}
    fate = attribute_losses(FACTS, {"human words": rows, "recogniser": heard, "fusion": fused}, NAMES)
    assert fate == {
        "recogniser": 1,
        "fusion": 1,
        "right": 2,
        "status": 1,
        "extraction: no wording": 1,
        "extraction: no concept": 1,
    }


def test_a_consultation_that_the_data_lack_is_named():
    with pytest.raises(DataError, match="lack consultation c"):
        measure_facts([*FACTS, fact("c", "cough", "present")], CONSULTATIONS, BANK)


def test_the_committed_annotations_hold_labels_and_places_and_no_words_of_the_collections():
    for name, n_consultations in (("develop", 15), ("report", 12)):
        facts = read_facts(ANNOTATIONS / f"{name}.csv")
        assert len({f.consultation_id for f in facts}) == n_consultations and len(facts) > 300
        assert all(f.end > f.start >= 0 for f in facts)
        with open(ANNOTATIONS / f"{name}.csv", newline="") as file:
            assert "quote" not in next(csv.reader(file))


def test_an_unknown_value_is_named_with_its_line(tmp_path):
    rows = (ANNOTATIONS / "develop.csv").read_text().splitlines()
    path = tmp_path / "facts.csv"
    path.write_text("\n".join([rows[0], rows[1], rows[2].replace(",core", ",vital")]) + "\n")
    with pytest.raises(DataError, match="line 3: level is 'vital'"):
        read_facts(path)


def test_the_rules_alone_are_measured_on_the_same_words(monkeypatch):
    monkeypatch.setattr(fact_metrics, "revised", lambda words, mentions, bank: ())  # a classifier that lets nothing pass
    figures = measure_facts(FACTS, CONSULTATIONS, BANK)["human words"]
    assert figures["n_rows"] == 0 and figures["dictionary and rules"]["n_rows"] >= 6


def test_a_cascade_shows_the_concepts_that_stand_out_in_a_window():
    cosines = np.array([[0.9, 0.8, 0.1, 0.0], [0.2, 0.3, 0.5, 0.4]])
    assert likeliest(cosines, None, 2) == [0, 1]
    assert likeliest(cosines, np.array([False, True, True, True]), 2) == [1, 2]
    assert likeliest(np.zeros((0, 4)), None, 0) == [] and len(likeliest(cosines, None, 9)) == 4
