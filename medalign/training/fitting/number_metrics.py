"""How well numbers are read: value and unit right, found, and tied to the right thing, by expressions written for it.

A table of expressions has columns `text`, speaker turns parted by " / ", and `expected`, measurements as kind|value|unit|about
joined by "; ". What counts is what stands for a fact of the patient: no plan, nothing implausible, and no measured value that
was said of another person, as a limit or a condition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medalign.concepts import ConceptBank, find_mentions, transcript_from_text
from medalign.concepts.amounts import CHANGE
from medalign.concepts.measurements import find_measurements
from medalign.concepts.mentions import find_mentions_in_text
from medalign.concepts.relations import PLAN
from medalign.concepts.senses import number_senses
from medalign.concepts.units import LABORATORY, SCORES
from medalign.core.analysis import Measurement
from medalign.core.errors import DataError
from medalign.evaluation.bootstrap import bootstrap_over_groups
from medalign.training.data.tables import numbered_rows

OF_TREATMENT = ("dose", "frequency", "duration")  # of the patient in any sense: what is advised has its dose, too
TURN = " / "
REMEDY = "give a table of expressions"


@dataclass(frozen=True)
class Expected:
    """One measurement that a reader finds in a text."""

    kind: str
    value: str
    unit: str
    about: str  # what it belongs to, in words; empty for nothing


def read_expressions(path: Path) -> list[tuple[str, list[Expected]]]:
    """Texts with what is expected of them. Raises DataError: no such table, or an expectation has not four parts."""
    rows = []
    for line, row in numbered_rows(path, {"text", "expected"}, remedy=REMEDY):
        parts = [part.strip().split("|") for part in row["expected"].split(";") if part.strip()]
        if wrong := next((part for part in parts if len(part) != 4), None):
            raise DataError(
                f"{path}, line {line}: expected {'|'.join(wrong)!r} has {len(wrong)} parts; write kind|value|unit|about"
            )
        rows.append((row["text"], [Expected(*(field.strip() for field in part)) for part in parts]))
    return rows


def measure_numbers(expressions: Sequence[tuple[str, list[Expected]]], bank: ConceptBank, *, with_errors: bool = False) -> dict:
    """Precision of value and unit, recall and the share tied wrongly, each with its 95 % interval; the errors, text by text."""
    counts, wrong = [], {}
    for text, expected in expressions:
        count, errors = _judge(_shown(text, bank), expected, bank)
        counts.append(count)
        if errors:
            wrong[text] = errors
    table = np.array(counts).reshape(-1, 4)
    groups = [str(i) for i in range(len(table))]
    parts = {"value and unit right": (1, 0), "found": (1, 2), "tied wrongly": (3, 0)}
    figures: dict = {"n_expressions": len(table), "n_shown": int(table[:, 0].sum()), "n_expected": int(table[:, 2].sum())}
    for name, (above, below) in parts.items():

        def share(rows: np.ndarray, above: int = above, below: int = below) -> float:
            total = table[rows, below].sum()
            return float(table[rows, above].sum() / total) if total else float("nan")

        low, high = bootstrap_over_groups(share, groups)
        figures[name] = {"share": round(share(np.arange(len(table))), 4), "interval": [round(low, 4), round(high, 4)]}
    return {**figures, "wrong": wrong} if with_errors else figures


def _shown(text: str, bank: ConceptBank) -> list[Measurement]:
    """What is shown as a fact of the patient."""
    transcript = transcript_from_text(text.replace(TURN, "\n"))
    found = find_measurements(transcript, find_mentions(transcript, bank), bank)
    senses = number_senses(transcript, found)
    shown = []
    for measurement, sense in zip(found, senses, strict=True):
        is_patients = sense == "present" or measurement.kind in OF_TREATMENT and sense != "family"
        if is_patients and measurement.is_plausible and measurement.kind != PLAN:
            shown.append(measurement)
    return shown


def _judge(shown: Sequence[Measurement], expected: Sequence[Expected], bank: ConceptBank) -> tuple[list[int], list[str]]:
    """Counts of shown, right, expected and wrongly tied; and the errors in words."""
    left, errors, n_right, n_tied_wrongly = list(expected), [], 0, 0
    for measurement in shown:
        said = _comparable(measurement)
        hit = next((e for e in left if (e.kind, e.value, _singular(e)) == said), None)
        if hit:
            left.remove(hit)
            n_right += 1
        else:
            errors.append("wrong: " + "|".join(said))
        about = [hit.about] if hit else [e.about for e in expected]
        meant = {mention.concept_id for words in about for mention in find_mentions_in_text(words, bank)}
        if measurement.concept_id and measurement.concept_id not in meant:
            n_tied_wrongly += 1
            errors.append(f"tied wrongly: {'|'.join(said)} to {bank[measurement.concept_id].label}")
    errors += [f"missed: {e.kind}|{e.value}|{e.unit}|{e.about}" for e in left]
    return [len(shown), n_right, len(expected), n_tied_wrongly], errors


def _comparable(measurement: Measurement) -> tuple[str, str, str]:
    """Kind, value and unit in the words of the tables."""
    kind, value, unit = measurement.kind, measurement.value.replace(CHANGE, "->"), measurement.unit
    if unit.endswith(" ago"):
        kind, unit = "ago", unit.removesuffix(" ago")
    kind = "laboratory value" if kind in LABORATORY else "score" if kind in SCORES else kind
    if unit.startswith(("a ", "an ")):
        unit = f"per {unit.split()[1]}"
    unit = unit.replace(" a ", " per ").replace(" an ", " per ")
    return kind, value.removeprefix("every "), _singular(Expected(kind, value, unit, ""))


def _singular(expected: Expected) -> str:
    is_time = expected.kind in ("duration", "ago", "frequency")
    return expected.unit.removesuffix("s") if is_time else expected.unit
