"""Readers of other projects on the same mentions: what they get, what counts as right, and what is told where they lack."""

import json
import sys
from pathlib import Path

import pytest

from medalign.concepts import ConceptBank
from medalign.core.errors import MedAlignError
from medalign.training.data.consultations import Consultation, Utterance
from medalign.training.data.facts import Fact
from medalign.training.status import other_readers, status_peers
from medalign.training.status.status_peers import Case, cases_of_facts, cases_of_table, measure_status_peers, read_elsewhere

BANK = ConceptBank.default()


@pytest.fixture(autouse=True)
def by_rules(monkeypatch):
    """Our readers: the rules, and one that leaves out every mention that the rules deny."""
    kept = {"rules": lambda _, m: tuple(m), "combined": lambda _, m: tuple(one for one in m if one.status != "negated")}
    monkeypatch.setattr(status_peers, "readers", lambda _: kept)


def test_others_get_the_turn_of_each_mention_and_its_place(tmp_path: Path):
    path = tmp_path / "cases.csv"
    path.write_text(
        "text,concept,right_status\n"
        "Doctor: Any fever? / Patient:  No.  A   cough though.,cough,present\n"
        '"No fever, and no fever before.",fever,not present\n'
        "My sister is well.,fever,negated\n",
        encoding="utf-8",
    )
    cough, fever = cases_of_table(path, BANK, None)  # nothing is found in the third
    assert cough.turns == (("No. A cough though.", 6, 11),) and cough.right == {"present"} and cough.by["rules"] == ("present",)
    assert [text[a:b] for text, a, b in fever.turns] == ["fever,", "fever"] and "present" not in fever.right
    assert fever.by == {"rules": ("negated", "negated"), "combined": (None, None)}


def test_mentions_at_annotated_facts_are_cases_of_their_consultation():
    talk = Consultation("a", "valid", (Utterance("doctor", "Any fever or cough?"), Utterance("patient", "No fever.")), "")
    facts = [Fact("a", 1, 3, 8, "fever", "symptom", frozenset(["negated"]), "", "core")]
    facts.append(Fact("a", 0, 13, 18, "cough", "symptom", frozenset(["uncertain"]), "", "core"))
    cough, fever = cases_of_facts(facts, [talk], BANK, None)  # the fever that is asked for is another mention
    assert (fever.group, fever.turns, fever.right) == ("a", (("No fever.", 3, 9),), {"negated"})
    assert cough.is_asked and not fever.is_asked


def case(group: str, right: str, *found: str | None) -> Case:
    turns = tuple((f"{group} {i}", 0, 1) for i in range(len(found)))
    return Case(group, turns, frozenset(right.split()), {"ours": found})


def test_what_counts_as_right(monkeypatch):
    cases = [
        case("a", "negated", "negated"), case("a", "negated", "present"), case("b", "present", "present", "uncertain"),
        case("b", "past", None), case("b", "family negated", "family"),
    ]  # fmt: skip
    theirs = {"other": ["negated", "negated", "negated", "present", "past", "negated"]}
    monkeypatch.setattr(status_peers, "read_elsewhere", lambda places, _: {"senses": theirs, "versions": {"other": "1"}})
    figures = measure_status_peers({"all": cases[:2], "rest": cases[2:]}, "python")
    first, rest = figures["all"], figures["rest"]
    assert first["ours"] == {
        "right": pytest.approx([0.5, 0.5, 0.5]), "n_denied": 2, "denials_found": 0.5, "of_denials_right": 1.0,
        "n_claimed_wrongly": 1, "n_left_out": 0,
    }  # fmt: skip
    assert first["other"]["right"][0] == 1.0 and first["always present"]["right"][0] == 0.0
    # An unanswered question tells nothing beside an answer; what is left out is wrong; what a relative has not is denied.
    assert rest["ours"]["right"][0] == pytest.approx(2 / 3) and rest["ours"]["n_left_out"] == 1
    assert rest["other"]["right"][0] == pytest.approx(2 / 3)  # "negated present" is no one sense; the past and the denial are
    assert rest["other"]["n_claimed_wrongly"] == 0 and rest["n"] == 3 and figures["versions of others"] == {"other": "1"}


def test_an_environment_that_lacks_them_is_named(tmp_path: Path):
    with pytest.raises(MedAlignError, match=r"nowhere/python.*pip install medspacy negspacy"):
        read_elsewhere([], str(tmp_path / "nowhere" / "python"))
    with pytest.raises(MedAlignError, match=r"No module named 'medspacy'"):
        read_elsewhere([("No fever.", 3, 8)], sys.executable)


def test_the_other_side_answers_in_the_order_asked(monkeypatch, capsys):
    monkeypatch.setattr(other_readers, "medspacy_pipeline", lambda: None)
    monkeypatch.setattr(other_readers, "negspacy_pipeline", lambda: None)
    monkeypatch.setattr(other_readers, "version", lambda _: "1")
    monkeypatch.setattr(other_readers, "marked", lambda text, start, end, _: Entity(text[start:end]))
    monkeypatch.setattr(other_readers.json, "load", lambda _: [["No fever.", 3, 8], ["A cough.", 2, 7]])
    other_readers.main()
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["senses"] == {"medspaCy ConText": ["negated", "past"], "negspaCy": ["negated", "present"]}


class Entity:
    """A fever is denied in two ways at once; a cough is over."""

    def __init__(self, text: str):
        names = dict.fromkeys(other_readers.ATTRIBUTES, False)
        names |= {"is_negated": text == "fever", "is_family": text == "fever", "is_historical": text == "cough"}
        self._ = type("Read", (), {**names, "negex": text == "fever"})
