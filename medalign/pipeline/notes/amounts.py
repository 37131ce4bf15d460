"""The numbers and sides of a statement against those of a recording: the same, another one there, or said nowhere.

A number or a side that is plainly not said can't be borne out, however well the rest of the statement fits.
"""

from collections.abc import Sequence

from medalign.concepts import ConceptBank, transcript_from_text
from medalign.concepts.notes import Clause
from medalign.concepts.tokens import stem
from medalign.core.analysis import Evidence, Measurement
from medalign.pipeline.notes.said import (
    BOTH_SIDES,
    SIDES,
    Said,
    Stretch,
    neighbours_of,
    numbers_of,
    related,
    sides_named,
    sides_of,
)
from medalign.pipeline.notes.tally import Tally

UNITS_TELL = frozenset(["duration", "dose", "plan"])  # "3 days" is not "3 weeks"
MANY_OF = frozenset(["duration", "frequency", "dose", "plan"])  # kinds of which a consultation has several, of several things


def compare_numbers(claim: Said, said: Said, best: Sequence[Stretch], bank: ConceptBank, tally: Tally) -> None:
    """
    Args:
        best: the stretches that fit the statement best.
    """
    near = frozenset(number for stretch in best for number in stretch.numbers)
    measured: frozenset[float] = frozenset()
    as_written = {1.0}  # numbers that are said as they are written; "one with asthma" counts nothing
    own, there = neighbours_of(claim.transcript.words), said.neighbours

    def is_as_written(numbers: frozenset[float]) -> bool:
        """Whether they are near, each beside a word that it has in the statement, if it has any there."""
        fits = all(n not in own or own[n] & there.get(n, frozenset()) for n in numbers)
        return bool(numbers) and numbers <= near and fits

    for m in claim.measurements:
        numbers = numbers_of(transcript_from_text(m.text).words)
        measured |= numbers
        same = [x for x in said.measurements if x.kind == m.kind]
        agreeing = [x for x in same if x.value == m.value and (x.unit == m.unit or m.kind not in UNITS_TELL)]
        about = _about(m, same, claim, bank)
        if agreeing and (not about or any(x in about for x in agreeing)) or is_as_written(numbers):
            as_written |= numbers
            tally.values["numbers agree"] += 1
            tally.evidence += [Evidence(x.start_s, x.end_s, x.text) for x in agreeing]
        elif about:
            theirs = " and ".join(dict.fromkeys(x.amount for x in about[:2]))
            evidence = [Evidence(x.start_s, x.end_s, x.text) for x in about[:2]]
            tally.contradict("number contradicted", f"the note has {m.amount}, the recording {theirs}", evidence)
        else:
            is_elsewhere = bool(numbers) and numbers <= said.numbers
            tally.values["numbers elsewhere" if is_elsewhere else "numbers absent"] += 1
            if is_elsewhere and (m.kind not in UNITS_TELL or _is_told(m, numbers, said)):
                as_written |= numbers
            elif numbers:
                tally.lack(f"{m.amount} is not said")
    _compare_neighbours(own, said, as_written, tally)
    for number in numbers_of(claim.transcript.words) - measured:
        if is_as_written(frozenset([number])):
            tally.values["numbers agree"] += 1
        elif number in said.numbers:
            tally.values["numbers elsewhere"] += 1
        else:
            tally.values["numbers absent"] += 1
            tally.lack(f"{number:g} is not said")


def _about(m: Measurement, same: Sequence[Measurement], claim: Said, bank: ConceptBank) -> list[Measurement]:
    """What a recording has of the same kind as a number of the statement, and of the same thing."""
    concept = m.concept_id or (claim.facts[0].concept_id if len(claim.facts) == 1 and m.kind != "plan" else None)
    about = [x for x in same if m.kind not in MANY_OF or concept and x.concept_id in related(concept, bank)]
    in_unit = [x for x in same if m.kind == "plan" and x.unit == m.unit]
    return about or (in_unit if len(in_unit) == 1 else [])


def _is_told(m: Measurement, numbers: frozenset[float], said: Said) -> bool:
    """Whether an amount is said anywhere, of whatever: "3-4 days" by "four days", too."""
    unit = m.unit.removesuffix(" ago")
    is_same = any(x.value == m.value and x.unit.removesuffix(" ago") == unit for x in said.measurements)
    return is_same or any(stem(unit) in said.roughly.get(number, frozenset()) for number in numbers)


def _compare_neighbours(own: dict[float, frozenset[str]], said: Said, as_written: set[float], tally: Tally) -> None:
    """Whether each number stands beside the same words as in the statement, or another one does: "type 3" for "type 2"."""
    for number, words in own.items():
        others = {word for word in words if any(word in found for value, found in said.neighbours.items() if value != number)}
        if words & said.neighbours.get(number, frozenset()):
            tally.values["neighbours of numbers agree"] += 1
        elif others:
            tally.values["neighbours of numbers differ"] += 1
            if number not in as_written and not words & said.roughly.get(number, frozenset()):
                tally.lack(f"{number:g} is not said there")


def compare_sides(clause: Clause, said: Said, best: Sequence[Stretch], tally: Tally) -> None:
    """
    Args:
        best: the stretches that fit the statement best.
    """
    own, spoken = sides_of(clause.plain), said.sides
    agreeing = [pair for pair in own if pair in spoken or (BOTH_SIDES, pair[1]) in spoken]
    differing = [pair for pair in own if pair not in agreeing and any((s, pair[1]) in spoken for s in SIDES if s != pair[0])]
    tally.values["side agrees"], tally.values["side contradicted"] = float(bool(agreeing)), float(bool(differing))
    named = sides_named(clause.plain)
    there = next((sides for stretch in best if (sides := {side for side, _ in sides_of(stretch.text)})), set())
    if differing:
        side, part = differing[0]
        others = [s for s in SIDES if (s, part) in spoken]
        evidence = [
            Evidence(stretch.start_s, stretch.end_s, stretch.text)
            for stretch in said.stretches
            if sides_of(stretch.text) & {(s, part) for s in others}
        ]
        reason = f"the note has {side}, the recording {' and '.join(others)} there"
        (tally.plain if there and not there & named else tally.reasons).append((reason, evidence[:1]))
    for side in named - {BOTH_SIDES}:
        if not agreeing and not there & {side, BOTH_SIDES}:
            tally.lack(f"{side} is not said there")
