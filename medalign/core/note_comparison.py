"""Two notes of one recording side by side: which says more that nothing bears out, and which leaves out more.

A longer note has more of both kinds of statement, so counts stand beside the number of statements.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from medalign.core.analysis import DISCLAIMER
from medalign.core.note_check import NOTE_SCHEMA_VERSION, LeftOut, NoteCheck, NoteStatement
from medalign.core.wording import count

LIKE = 0.5  # from which on two statements are about the same
SAME_MOMENT = 0.3
SMALL = frozenset(re.findall(r"\w+", "a an the of to in on at for with and or is are was has had no not he she it"))
WEIGHTY = 0.5  # weight from which on something left out counts


@dataclass(frozen=True)
class NoteSide:
    """One of the notes, in figures."""

    n_statements: int
    n_contradicted: int
    n_not_found: int
    n_left_out: int  # of weight
    only_here_left_out: tuple[LeftOut, ...]  # of weight, and the other note has it

    @property
    def n_unsupported(self) -> int:
        return self.n_contradicted + self.n_not_found


@dataclass(frozen=True)
class StatementPair:
    """A statement of one note and what the other says of the same: their numbers; None where a note has nothing of it."""

    first: int | None
    second: int | None
    differs: bool  # only one note has it, or the verdicts differ


@dataclass(frozen=True)
class NoteComparison:
    """Both notes, in the order in which they are shown."""

    sides: tuple[NoteSide, NoteSide]
    statements: tuple[StatementPair, ...]  # in the first note's order, what only the second has after what it follows there
    more_unsupported: int | None  # 0 or 1; None if as many
    leaves_out_more: int | None

    @classmethod
    def of(cls, first: NoteCheck, second: NoteCheck) -> "NoteComparison":
        sides = _side(first, second), _side(second, first)
        unsupported, left_out = [side.n_unsupported for side in sides], [side.n_left_out for side in sides]
        return cls(sides, aligned(first.statements, second.statements), _more(unsupported), _more(left_out))

    def to_dict(self) -> dict:
        return asdict(self)


def aligned(first: Sequence[NoteStatement], second: Sequence[NoteStatement]) -> tuple[StatementPair, ...]:
    """Which statements of two notes say the same thing, or contradict each other about it: the likest first, each once."""
    likeness = sorted(((_likeness(a, b), -i, -j) for i, a in enumerate(first) for j, b in enumerate(second)), reverse=True)
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for like, i, j in likeness:
        if like >= LIKE and -i not in partner and -j not in taken:
            partner[-i] = -j
            taken.add(-j)
    alone = [j for j in range(len(second)) if j not in taken]
    follows = {j: max((i for i, other in partner.items() if other < j), default=-1) for j in alone}
    pairs = [StatementPair(None, j, differs=True) for j in alone if follows[j] < 0]
    for i, statement in enumerate(first):
        same = partner.get(i)
        pairs.append(StatementPair(i, same, differs=same is None or second[same].verdict != statement.verdict))
        pairs += [StatementPair(None, other, differs=True) for other in alone if follows[other] == i]
    return tuple(pairs)


def pair_to_dict(first: NoteCheck, second: NoteCheck, order: Sequence[int] = (0, 1)) -> dict:
    """The JSON of two notes: `comparison` and both `notes` as they were given.

    Args:
        order: in which they are shown.
    """
    notes = (first, second)
    return {
        "schema_version": NOTE_SCHEMA_VERSION,
        "shown_in_order": [i + 1 for i in order],
        "comparison": NoteComparison.of(*notes).to_dict(),
        "notes": [{name: value for name, value in note.to_dict().items() if name != "disclaimer"} for note in notes],
        "disclaimer": DISCLAIMER,
    }


def drawn_order(*, blind: bool, rng: random.Random | None = None) -> tuple[int, int]:
    """In which order two notes are shown: drawn where nobody shall know which is which."""
    return (1, 0) if blind and (rng or random.SystemRandom()).random() < 0.5 else (0, 1)


def told(comparison: NoteComparison) -> list[str]:
    """In sentences."""
    a, b = comparison.sides
    more, fewer = (b, a) if comparison.more_unsupported == 1 else (a, b)
    worse, other = (b, a) if comparison.leaves_out_more == 1 else (a, b)
    unsupported = (
        f"Both have {count(a.n_unsupported, 'unsupported statement')}"
        if comparison.more_unsupported is None
        else f"Note {comparison.more_unsupported + 1} has more unsupported statements: "
        f"{more.n_unsupported} of {more.n_statements}, the other {fewer.n_unsupported} of {fewer.n_statements}"
    )
    left_out = (
        f"both leave out {count(a.n_left_out, 'important thing')}"
        if comparison.leaves_out_more is None
        else f"Note {comparison.leaves_out_more + 1} leaves out more: {count(worse.n_left_out, 'important thing')}, "
        f"the other {other.n_left_out}"
    )
    alone = [
        f"Only note {i} leaves out: {', '.join(item.concept for item in side.only_here_left_out)}."
        for i, side in enumerate(comparison.sides, start=1)
        if side.only_here_left_out
    ]
    return [f"{unsupported}.", f"{left_out[0].upper()}{left_out[1:]}.", *alone]


def _likeness(a: NoteStatement, b: NoteStatement) -> float:
    """Share of words in common (0-1), and a bonus where the same moments decide about both."""
    own, theirs = _words(a), _words(b)
    shared = 2 * len(own & theirs) / max(1, len(own) + len(theirs))
    at_once = any(x.start_s < y.end_s and y.start_s < x.end_s for x in a.evidence[:1] for y in b.evidence[:1])
    return shared + (SAME_MOMENT if at_once and (shared or a.section.lower() == b.section.lower() != "") else 0.0)


def _words(statement: NoteStatement) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"[a-z]+|\d+", statement.text.lower()) if word not in SMALL)


def _side(own: NoteCheck, other: NoteCheck) -> NoteSide:
    lacking = [item for item in own.left_out if item.weight >= WEIGHTY]
    theirs = {(item.concept_id, item.concept) for item in other.left_out}
    alone = tuple(item for item in lacking if (item.concept_id, item.concept) not in theirs)
    return NoteSide(len(own.statements), own.count("contradicted"), own.count("not_found"), len(lacking), alone)


def _more(numbers: Sequence[int]) -> int | None:
    return None if numbers[0] == numbers[1] else int(numbers[1] > numbers[0])
