"""Consultations written with their facts between the turns: read whole, damage named, none both learnt and reported."""

from pathlib import Path

import pytest

from medalign.core.errors import DataError
from medalign.training.data.written import NO_FACT, WRITTEN, read_written
from medalign.training.status.labels import PAST, written_mentions

TALK = """[doctor] Any fevers, and are you still on the ibuprofen?
= "fevers" | fever | symptom | past | patient | - | core
= "ibuprofen" | ibuprofen | medicine | negated | patient | not_taking | core
[patient] A fever on Sunday, not now. My mum takes ibuprofen. It was a rash decision.
= "fever" | fever | symptom | past | patient | - | again
= "ibuprofen" | ibuprofen | medicine | present | family | taking | acceptable
= "rash" | - | - | none | - | - | -
"""


def read(folder: Path, text: str):
    (folder / "talk.txt").write_text(text, encoding="utf-8")
    return read_written(folder)


def test_a_fact_is_told_once_and_each_place_of_it_is_a_mention(tmp_path: Path) -> None:
    (talk,) = read(tmp_path, TALK)
    assert [(u.role, u.text[:9]) for u in talk.consultation.utterances] == [("doctor", "Any fever"), ("patient", "A fever o")]
    assert [(f.name, sorted(f.senses), f.level) for f in talk.facts] == [
        ("fever", ["past"], "core"), ("ibuprofen", ["negated"], "core"), ("ibuprofen", ["family"], "acceptable"),
    ]  # fmt: skip
    said = [talk.consultation.utterances[m.utterance].text[m.start : m.end] for m in talk.mentions]
    assert said == ["fevers", "ibuprofen", "fever", "ibuprofen", "rash"] and talk.mentions[-1].status == NO_FACT


def test_its_mentions_are_examples_to_learn_from(tmp_path: Path) -> None:
    fevers, asked, _, mums, rash = written_mentions(read(tmp_path, TALK))
    assert (fevers.status, asked.status, asked.action) == (PAST, "negated", "not_taking")
    assert (mums.status, mums.is_other, asked.is_other) == ("present", True, False)
    assert rash.status not in ("present", "negated", PAST)
    assert mums.context.words[mums.context.start : mums.context.end] == ("ibuprofen.",)
    assert mums.context.speakers[mums.context.start] == "patient"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('= "cough" | cough | symptom | present | patient | - | core', "has no 'cough'"),
        ('= "fever" | fever | symptom | present | patient | -', "6 fields"),
        ('= "fever" | fever | symptom | gone | patient | - | core', "'gone'"),
        ("Doctor: hello", "neither a turn"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match="line 2") as caught:
        read(tmp_path, f"[patient] A fever.\n{line}\n")
    assert message in str(caught.value)


def test_the_shipped_ones_are_whole_and_none_is_both_learnt_and_reported() -> None:
    learnt, reported = read_written(WRITTEN), read_written(WRITTEN.with_name("written-report"))
    assert len(learnt) > 60 and len(reported) > 20
    assert not {w.consultation.utterances for w in learnt} & {w.consultation.utterances for w in reported}
    assert min(len(w.facts) for w in (*learnt, *reported)) > 20
