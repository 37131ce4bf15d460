"""Pairs of texts that mean the same, each with one that looks like it and does not; and the batches that they learn in."""

import hashlib
import json
import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from medalign.core.errors import DataError, TrainingError
from medalign.core.tables import numbered_rows

REMEDY = "give a CSV with the columns said and noted, and perhaps wrong"


@dataclass(frozen=True)
class TextPair:
    """What was said, and how it is written down."""

    said: str
    noted: str
    wrong: str  # like `noted`, but not what was said: denied, another medicine, somebody else's
    about: frozenset[str]  # what both are about, by any names
    consultation: str = (
        ""  # pairs of one come together: what else was said there is harder to tell from it than what was elsewhere
    )


def own_pairs(path: Path) -> list[TextPair]:
    """The rows of a CSV file with the columns said, noted and, if one likes, wrong.

    Without `wrong`, the next row's note takes its place.

    Raises:
        DataError: no table, or a row lacks one of its texts; the line is named.
    """
    rows = list(numbered_rows(path, {"said", "noted"}, remedy=REMEDY))
    for line, row in rows:
        if not row["said"].strip() or not row["noted"].strip():
            raise DataError(f"{path}, line {line}: said or noted is empty; {REMEDY}")
    if len(rows) < 2:
        raise DataError(f"{path} has {len(rows)} pairs, at least 2 are needed")
    return [
        TextPair(row["said"], row["noted"], row.get("wrong") or following["noted"], frozenset([row["noted"].lower()]))
        for (_, row), (_, following) in zip(rows, [*rows[1:], rows[0]], strict=True)
    ]


def digest(pairs: Iterable[TextPair]) -> str:
    """SHA-256 of all texts, in their order."""
    rows = [astuple(pair)[:3] for pair in pairs]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def plan_batches(
    by_kind: Mapping[str, Sequence[TextPair]], shares: Mapping[str, float], size: int, seed: int
) -> Iterator[list[int]]:
    """Batches without end, as indices into the pairs of all kinds, one kind after the other.

    A batch is of one kind, drawn by the shares, and of few consultations. No two of its pairs are about the same: each would be
    a wrong answer to the other. All pairs of a kind come about equally often.

    Raises:
        TrainingError: a kind has too few pairs about different things for a batch.
    """
    rng = random.Random(seed)
    kinds = [kind for kind, pairs in by_kind.items() if pairs and shares[kind] > 0]
    if not kinds:
        raise TrainingError("there are no pairs to learn from; give --data or --pairs, or a share to the kind that has some")
    all_pairs = [pair for pairs in by_kind.values() for pair in pairs]
    first, at = {}, 0
    for kind, pairs in by_kind.items():
        first[kind], at = at, at + len(pairs)
    queues: dict[str, deque[int]] = {kind: deque() for kind in kinds}
    while True:
        (kind,) = rng.choices(kinds, [shares[kind] for kind in kinds])
        yield _next_batch(queues[kind], range(first[kind], first[kind] + len(by_kind[kind])), all_pairs, size, rng, kind)


def _next_batch(
    queue: deque[int], all_of_kind: range, pairs: Sequence[TextPair], size: int, rng: random.Random, kind: str
) -> list[int]:
    chosen: list[int] = []
    about: set[str] = set()
    put_off: list[int] = []
    for refilled in (False, True):
        if refilled:
            queue.extend(_in_turn(all_of_kind, pairs, rng))
        while queue and len(chosen) < size:
            at = queue.popleft()
            if pairs[at].about & about:
                put_off.append(at)
            else:
                chosen.append(at)
                about |= pairs[at].about
        if len(chosen) == size:
            queue.extendleft(reversed(put_off))
            return chosen
    raise TrainingError(
        f"{len(all_of_kind)} pairs of kind '{kind}' are about {len(chosen)} different things, fewer than a batch of {size}; "
        "lower --batch-size, or give more pairs"
    )


def _in_turn(all_of_kind: range, pairs: Sequence[TextPair], rng: random.Random) -> list[int]:
    """In random order, those of one consultation together."""
    place = {name: rng.random() for name in sorted({pairs[at].consultation for at in all_of_kind})}
    return sorted(all_of_kind, key=lambda at: (place[pairs[at].consultation] if pairs[at].consultation else 0, rng.random()))
