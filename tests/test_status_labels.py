"""Mentions labelled by reading, as examples to learn from."""

import csv
from pathlib import Path

import pytest

from medalign.core.errors import DataError
from medalign.models.status_classifier import STATUSES
from medalign.training.data.consultations import Consultation, Utterance
from medalign.training.status.labels import COLUMNS, MENTIONS_FILE, NO_FACT, labelled_mentions

TALK = Consultation(
    "talk-1",
    "train",
    (
        Utterance("doctor", "Any chest pain, or a cough?"),
        Utterance("patient", "No chest pain. My mother had the cough."),
        Utterance("patient", "I stopped the ibuprofen; a rash decision."),
    ),
)


def table(folder: Path, *rows: str) -> Path:
    path = folder / "mentions.csv"
    path.write_text("\n".join(["consultation_id,utterance,start,end,concept,status,whose,action", *rows]), encoding="utf-8")
    return path


def test_each_row_is_an_example_with_its_place_and_its_surroundings(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "talk-1,1,3,14,chest pain,negated,patient,",
        "talk-1,1,33,39,cough,historical,other,",
        "talk-1,2,14,24,ibuprofen,resolved,patient,stopped",
        "talk-1,2,27,31,rash,wrong,patient,",
        "elsewhere,0,0,4,fever,present,patient,",
    )
    pain, cough, ibuprofen, rash = labelled_mentions([TALK], path)["talk"]
    p = pain.context
    assert p.words[p.start : p.end] == ("chest", "pain.") and p.words[:2] == ("Any", "chest")
    assert p.speakers[0] == "doctor" and p.speakers[p.start] == "patient"
    assert (pain.status, pain.is_other) == ("negated", False)
    assert (cough.status, cough.is_other) == ("historical", True)
    assert (ibuprofen.status, ibuprofen.action) == ("resolved", "stopped")
    assert rash.status in NO_FACT and rash.status not in STATUSES
    assert ibuprofen.context.words[ibuprofen.context.start : ibuprofen.context.end] == ("ibuprofen;",)


def test_what_is_held_back_is_never_learnt(tmp_path: Path) -> None:
    path = table(tmp_path, "talk-1,1,3,14,chest pain,negated,patient,")
    kept_back = Consultation(TALK.consultation_id, "valid", TALK.utterances)
    assert labelled_mentions([kept_back], path) == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("talk-1,7,0,4,cough,present,patient,", "has no utterance 7"),
        ("talk-1,1,90,99,cough,present,patient,", "no words at 90-99"),
        ("talk-1,1,3,14,chest pain,maybe,patient,", "'maybe'"),
        ("talk-1,1,3,14,chest pain,present,patient,eaten", "'eaten'"),
    ],
)
def test_a_damaged_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=r"line 2: .*") as caught:
        labelled_mentions([TALK], table(tmp_path, row))
    assert message in str(caught.value)


def test_the_shipped_labels_are_whole_and_hold_no_text() -> None:
    with open(MENTIONS_FILE, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 8000 and set(rows[0]) == COLUMNS
    assert {row["status"] for row in rows} <= {
        "present", "negated", "resolved", "historical", "uncertain", "hypothetical", *NO_FACT,
    }  # fmt: skip
    places = [(r["consultation_id"], r["utterance"], r["start"], r["end"], r["concept"]) for r in rows]
    assert len(set(places)) >= 0.995 * len(places)  # one concept may be joined from two places of the same words
    held_back = {"day4", "valid"}
    assert not any(part in row["consultation_id"] for row in rows for part in held_back)
