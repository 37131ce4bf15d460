"""What numbers are read from, a sentence of one speaker, and what is read: a quantity at its pieces."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from medalign.concepts.amounts import Amount, find_amounts
from medalign.concepts.numbers import CARDINALS, Piece
from medalign.concepts.tokens import words_of
from medalign.concepts.units import NAMES, TIMES, UNITS, Name

BEFORE_UNIT = words_of("of or so more good whole solid full odd long ish extra further straight")


@dataclass(frozen=True)
class Quantity:
    """A number with its kind and unit, at pieces [start, end) of a sentence."""

    kind: str
    value: str
    unit: str
    start: int
    end: int
    is_plausible: bool = True


@dataclass(frozen=True)
class Sentence:
    """What numbers are read from: the pieces, where its medicines stand, and what the sentence before asks for."""

    pieces: Sequence[Piece]
    medicines: Sequence[tuple[int, int, str]] = ()  # pieces [start, end) and name
    asked: Sequence[str] = ()  # the texts of the question that this answers
    dose: tuple[str, str] | None = None  # value and unit of the dose that "double that to a hundred" may change
    scale: bool = False  # how bad something is, out of ten, has been asked for
    texts: list[str] = field(init=False)
    names: list[tuple[int, int, Name]] = field(init=False)
    amounts: list[Amount] = field(init=False)

    def __post_init__(self) -> None:
        texts = [piece.text for piece in self.pieces]
        names = named(texts)
        inside = {at for start, end, _ in names for at in range(start, end)}
        amounts = [
            amount
            for amount in find_amounts(self.pieces)
            if not inside & set(range(amount.start, amount.end))
            and (not amount.vague or counted_from(texts, amount.end) is not None or _is_part_of(texts, amount, self.medicines))
        ]
        for name, value in (("texts", texts), ("names", names), ("amounts", amounts)):
            object.__setattr__(self, name, value)

    def text(self, at: int) -> str:
        return self.texts[at] if 0 <= at < len(self.texts) else ""

    def says(self, words: frozenset[str]) -> bool:
        """Whether the sentence, or the question that it answers, has one of the words."""
        return bool(words & set(self.texts) or words & set(self.asked))

    def amount_at(self, at: int) -> Amount | None:
        return next((amount for amount in self.amounts if amount.start == at), None)


def counted_from(texts: Sequence[str], at: int) -> int | None:
    """Where the unit of a number starts that ends at `at`: "a couple of weeks", "ten or so days"; None without a unit."""
    for start in range(at, at + 3):
        if UNITS.longest(list(texts), start) or texts[start : start + 1] == ["times"]:
            is_close = start == at or texts[start - 1] == "of" or texts[start] in TIMES or texts[start] == "times"
            return start if is_close else None
        if start >= len(texts) or texts[start] not in BEFORE_UNIT:
            return None
    return None


def _is_part_of(texts: Sequence[str], amount: Amount, medicines: Sequence[tuple[int, int, str]]) -> bool:
    """ "a quarter of a 50 mg tablet", "half of the sertraline"."""
    if any(start == amount.end for start, _, _ in medicines):
        return True
    return amount.low < 1 and texts[amount.end : amount.end + 1] != [] and texts[amount.end] in CARDINALS | {"5", "10", "50"}


def named(texts: Sequence[str]) -> list[tuple[int, int, Name]]:
    """Names of what is measured, at pieces [start, end); the longest wins."""
    found, at = [], 0
    while at < len(texts):
        match = NAMES.longest(list(texts), at)
        if match:
            found.append((at, match[0], match[1]))
        at = match[0] if match else at + 1
    return found
