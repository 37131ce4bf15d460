"""Coverage: what clinicians wrote is looked for in what was said, denials by denials."""

import pytest

from medalign.concepts import ConceptBank
from medalign.core.errors import DataError
from medalign.training.data.consultations import Consultation, Utterance
from medalign.training.fitting.note_coverage import Item, measure_annotated, measure_coverage, read_checklist

BANK = ConceptBank.default()


def consultation(name: str, note: str, *said: str) -> Consultation:
    roles = ("doctor", "patient")
    return Consultation(name, "valid", tuple(Utterance(roles[i % 2], t, float(i)) for i, t in enumerate(said)), note)


CONSULTATIONS = (
    consultation("a", "Cough 3/7. No fever. PMH: asthma.", "What brings you in?", "I have a cough.", "Any fever?", "No."),
    consultation("b", "Headache. Wheeze.", "Any headache?", "No, but I wheeze."),
)


def test_a_noted_concept_is_covered_if_it_was_said_and_agrees_if_both_deny_it_or_neither():
    figures = measure_coverage(CONSULTATIONS, (), BANK)
    notes = figures["notes"]
    assert notes["n_concepts"] == 5  # cough, fever, asthma; headache, wheezing
    assert notes["covered"] == pytest.approx(4 / 5)  # nobody spoke of asthma
    assert notes["agreeing_of_covered"] == pytest.approx(3 / 4)  # the headache was denied, the note states it
    low, high = notes["covered_interval"]
    assert low <= 4 / 5 <= high
    assert figures["seconds_for_10000_words"] > 0


def test_items_count_by_importance_and_those_without_a_concept_are_told_apart():
    items = (
        Item("a", "cough", "c"),
        Item("a", "no fever", "c"),
        Item("a", "works as an accountant", "c"),
        Item("b", "headache", "nc"),
        Item("elsewhere", "cough", "c"),
    )
    figures = measure_coverage(CONSULTATIONS, items, BANK)
    critical = figures["checklist c"]
    assert (critical["n_items"], critical["n_items_with_concept"]) == (3, 2)
    assert critical["covered"] == critical["agreeing_of_covered"] == 1.0
    assert figures["checklist nc"]["agreeing_of_covered"] == 0.0


def test_annotated_utterances_give_precision_recall_and_status(tmp_path):
    path = tmp_path / "annotated.csv"
    path.write_text(
        "consultation_id,start_s,concepts,statuses\n"
        "a,1.0,cough/dry cough,present\n"
        "a,2.0,fever,present/historical\n"
        "b,0.0,,\n"
        "b,1.0,wheezing,present\n"
        "b,1.0,asthma,present\n"
    )
    figures = measure_annotated(CONSULTATIONS, path, BANK)
    assert (figures["n_utterances"], figures["n_concepts"]) == (4, 4)
    assert figures["recall"] == pytest.approx(3 / 4)  # no asthma
    assert figures["precision"] == pytest.approx(3 / 4)  # a headache where the person saw nothing
    assert figures["status_accuracy"] == pytest.approx(2 / 3)  # the fever was denied


def test_a_missing_checklist_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="checklist.csv is missing"):
        read_checklist(tmp_path)
    (tmp_path / "checklist.csv").write_text("consultation_id,item,importance\na,cough,c\n")
    assert read_checklist(tmp_path) == (Item("a", "cough", "c"),)
