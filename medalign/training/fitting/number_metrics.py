"""How well numbers are read: value and unit right, found, and tied to the right thing, by expressions written for it.

A table of expressions has columns `text`, speaker turns parted by " / ", and `expected`, measurements as kind|value|unit|about
joined by "; ". Readers write the same in several forms: 4.0 is 4, µg and mcg are one unit, a night is a day, a fortnight two
weeks, once a day every day, "10 mg in 5 ml" is 10/5 mg/ml or its two parts, and what is said twice counts once. What counts is
what stands for a fact of the patient: no plan, nothing implausible, and no measured value that was said of another person, as a
limit or a condition.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medalign.concepts import ConceptBank, find_mentions, transcript_from_text
from medalign.concepts.measurements import find_measurements
from medalign.concepts.mentions import Mention, find_mentions_in_text
from medalign.concepts.relations import PLAN
from medalign.concepts.senses import number_senses
from medalign.concepts.sentence import CHANGE, named
from medalign.concepts.tokens import stem
from medalign.concepts.units import LABORATORY, SCORES
from medalign.core.analysis import Measurement
from medalign.core.errors import DataError
from medalign.core.tables import numbered_rows
from medalign.evaluation.bootstrap import bootstrap_over_groups

OF_TREATMENT = ("dose", "frequency", "duration")  # of the patient in any sense: what is advised has its dose, too
TURN = " / "
SAME_UNIT = (  # pattern, and what it is written as to compare
    ("µg", "mcg"), ("^ng/ml$", "mcg/l"), ("^pg/ml$", "ng/l"), ("^miu/l$", "mu/l"), ("^iu/l$", "u/l"), (r"\bnight", "day"),
    (r" of \w+", ""), ("^litres?$", "l"), ("(hour|day|night|week|month|year|minute|second|fortnight|decade)s$", r"\1"),
)  # fmt: skip
GENERAL = {"laboratory value": LABORATORY, "score": SCORES}  # kinds that stand for several
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
        count, errors = _judge(_shown(text, bank), expected, text, bank)
        counts.append(count)
        if errors:
            wrong[text] = errors
    table = np.array(counts).reshape(-1, 4)
    groups = [str(i) for i in range(len(table))]
    parts = {"value and unit right": (1, 0), "found": (1, 2), "tied wrongly": (3, 0)}  # columns to divide
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
        is_denied = sense == "family" or sense == "negated" and measurement.kind != "duration"
        is_patients = sense in ("present", "historical") or measurement.kind in OF_TREATMENT and not is_denied
        if is_patients and measurement.is_plausible and measurement.kind != PLAN:
            shown.append(measurement)
    return shown


def _judge(
    shown: Sequence[Measurement], expected: Sequence[Expected], text: str, bank: ConceptBank
) -> tuple[list[int], list[str]]:
    """Counts of shown, right, expected and wrongly tied; and the errors in words."""
    wanted = list(dict.fromkeys(part for e in expected for part in _parts(replace(e, kind=_kind(e)))))
    said_once = dict.fromkeys(part for measurement in shown for part in _parts(_as_said(measurement)))
    left, errors, n_right, n_tied_wrongly = list(wanted), [], 0, 0
    for said in said_once:
        if not said.about and any(replace(other, about="") == said for other in said_once if other.about):
            continue
        same = [e for e in left if (said.value, said.unit) == (e.value, e.unit)]
        hit = next((e for e in same if said.kind in GENERAL.get(e.kind, (e.kind,))), None)
        if hit:
            left.remove(hit)
            n_right += 1
        else:
            errors.append(f"wrong: {said.kind}|{said.value}|{said.unit}")
        about = [hit.about] if hit else [e.about for e in wanted]
        meant = {mention.concept_id for words in about for mention in _meant(words, text, bank)}
        is_named = said.about and any(_stems(words) == _stems(bank[said.about].label) for words in about)
        if said.about and said.about not in meant and not is_named:
            n_tied_wrongly += 1
            errors.append(f"tied wrongly: {said.kind}|{said.value}|{said.unit} to {bank[said.about].label}")
    errors += [f"missed: {e.kind}|{e.value}|{e.unit}|{e.about}" for e in left]
    return [len(said_once), n_right, len(wanted), n_tied_wrongly], errors


def _meant(words: str, text: str, bank: ConceptBank) -> list[Mention]:
    """What the words name on their own; if nothing, what they name in the text: "pill" in "I came off the pill"."""
    alone = find_mentions_in_text(words, bank)
    said = set(_stems(words))
    return list(alone) or [m for m in find_mentions_in_text(text, bank) if said and said <= set(_stems(m.text))]


def _stems(words: str) -> list[str]:
    return [stem(word) for word in words.lower().split()]


def _as_said(measurement: Measurement) -> Expected:
    kind, unit = measurement.kind, re.sub(r" (a|an) ", " per ", f" {measurement.unit}").strip()
    if unit.endswith(" ago"):
        kind, unit = "ago", unit.removesuffix(" ago")
    return Expected(kind, measurement.value.replace(CHANGE, "->").removeprefix("every "), unit, measurement.concept_id or "")


def _kind(expected: Expected) -> str:
    """Which laboratory value or score is meant: what it is about names it."""
    found = named(expected.about.lower().split()) if expected.kind in GENERAL else []
    return found[-1][2].kind if found else "pain score" if expected.unit == "/10" else expected.kind


def _parts(measured: Expected) -> list[Expected]:
    """The same in the one form that is compared; both parts of a strength."""
    value, unit = measured.value, measured.unit.lower()
    for said, meant in SAME_UNIT:
        unit = re.sub(said, meant, unit)
    if measured.kind in SCORES:
        unit = ""
    if "fortnight" in unit and value.isdigit():
        value, unit = str(2 * int(value)), "week"
    if measured.kind == "frequency" and value == "1":
        unit = unit.removeprefix("per ")  # once a day is every day
    value = re.sub(r"\d[\d,.]*", lambda number: f"{float(number.group().replace(',', '')):.10g}", value)
    if measured.kind == "dose" and "/" in value:
        return [replace(measured, value=v, unit=u) for v, u in zip(value.split("/"), unit.split("/"), strict=True)]
    return [replace(measured, value=value, unit=unit)]
