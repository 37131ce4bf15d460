"""Figures of how numbers are read: what counts, and what counts against it."""

import json

import pytest

from medalign.cli import main
from medalign.concepts import ConceptBank
from medalign.core.errors import DataError
from medalign.training.fitting.number_metrics import measure_numbers, read_expressions

TABLE = """text,expected
"Doctor: Amoxicillin 500 mg for a week. / Patient: Mum's pulse is 88.","dose|500|mg|amoxicillin; duration|1|week|amoxicillin"
"Patient: The cough started three days ago. / Doctor: Your HbA1c is 58.","ago|3|days|cough; laboratory value|58|mmol/mol|hba1c"
"Patient: I drink 14 units a week.","alcohol|14|units per week|"
"Doctor: I'll see you in four weeks, and a pulse of 4000 can't be right.",""
"""


def figures(folder, table: str, **options) -> dict:
    path = folder / "expressions.csv"
    path.write_text(table, encoding="utf-8")
    return measure_numbers(read_expressions(path), ConceptBank.default(), **options)


def test_what_is_read_and_tied_as_expected_has_no_error(tmp_path):
    found = figures(tmp_path, TABLE, with_errors=True)
    assert (found["n_expressions"], found["n_shown"], found["n_expected"]) == (4, 5, 5)
    assert found["value and unit right"]["share"] == found["found"]["share"] == 1.0
    assert found["tied wrongly"]["share"] == 0.0 and found["wrong"] == {}


def test_one_meaning_in_several_forms_is_one(tmp_path):
    table = """text,expected
"Doctor: Ferritin 6, PSA 7.9.","laboratory value|6.0|µg/l|ferritin; laboratory value|7.9|ng/ml|psa"
"Doctor: Morphine 10 mg in 5 ml every fortnight.","dose|10|mg|morphine; dose|5|ml|morphine; frequency|2|weeks|morphine"
"Doctor: MMSE 22 out of 30.","score|22|/30|mmse"
"Doctor: Potassium 5.6.","laboratory value|5.6|mmol/l|sodium"
"""
    found = figures(tmp_path, table, with_errors=True)
    assert list(found["wrong"]) == ["Doctor: Potassium 5.6."], "another laboratory value is another value"


def test_what_a_number_belongs_to_may_be_named_by_a_part_of_the_words_that_were_said(tmp_path):
    table = """text,expected
"Patient: I came off the pill six months ago.","ago|6|months|pill"
"Patient: My cough started a week ago.","ago|1|week|pill"
"""
    found = figures(tmp_path, table, with_errors=True)
    assert list(found["wrong"].values()) == [["tied wrongly: ago|1|week to cough"]]


def test_wrong_values_missed_ones_and_wrong_ties_are_counted_and_named(tmp_path):
    altered = TABLE.replace("dose|500|mg", "dose|50|mg").replace("ago|3|days|cough", "ago|3|days|fever").replace(
        '"alcohol|14|units per week|"', '"alcohol|14|units per week|; weight|70|kg|"'
    )  # fmt: skip
    found = figures(tmp_path, altered, with_errors=True)
    assert found["value and unit right"]["share"] == pytest.approx(4 / 5, abs=1e-4)
    assert found["found"]["share"] == pytest.approx(4 / 6, abs=1e-4)
    assert found["tied wrongly"]["share"] == pytest.approx(1 / 5, abs=1e-4)
    told = "; ".join(error for errors in found["wrong"].values() for error in errors)
    for error in (
        "wrong: dose|500|mg",
        "missed: dose|50|mg|amoxicillin",
        "tied wrongly: ago|3|day to cough",
        "missed: weight|70|kg|",
    ):
        assert error in told


def test_a_table_in_another_form_is_refused(tmp_path):
    with pytest.raises(DataError, match="lacks the column expected and text"):
        figures(tmp_path, "words\nhello\n")
    with pytest.raises(DataError, match=r"line 2: expected .dose.5.mg. has 3 parts"):
        figures(tmp_path, 'text,expected\nhello,"dose|5|mg"\n')


def test_the_command_prints_the_figures(tmp_path, capsys):
    (tmp_path / "expressions.csv").write_text(TABLE, encoding="utf-8")
    main(["numbers", str(tmp_path / "expressions.csv")])
    assert '"tied wrongly"' in capsys.readouterr().out


def test_several_tables_are_counted_together_and_each_alone(tmp_path, capsys):
    header, *rows = TABLE.splitlines()
    for name, part in (("first", rows[:2]), ("second", rows[2:])):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *part]) + "\n", encoding="utf-8")
    main(["numbers", str(tmp_path / "first.csv"), str(tmp_path / "second.csv"), "--json", str(tmp_path / "figures.json")])
    told = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert told["n_expressions"] == len(rows)
    assert {name: figures["n_expressions"] for name, figures in told["tables"].items()} == {"first": 2, "second": len(rows) - 2}
