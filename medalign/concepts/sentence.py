"""What numbers are read from, a sentence of one speaker, and what is read: a quantity at its pieces."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from medalign.concepts.numbers import CARDINALS, OFTEN, Number, find_numbers
from medalign.concepts.pieces import Piece
from medalign.concepts.tokens import word_list, words_of
from medalign.concepts.units import NAMES, PERIODS, TIMES, UNITS, Name

BEFORE_UNIT = words_of("of or so more good whole solid full odd long ish extra further straight")


# What may follow a number that stands alone; a noun would be what it counts: "two kids".
FOLLOWING = word_list("sentence.following")
CHANGE = "→"  # between the value before and the value after: "2.5→5"
TO = word_list("sentence.to")  # between two numbers that belong together, or nothing
CHANGING = word_list("sentence.changing")
RANGING = words_of("anywhere anything somewhere ranging range ranges ranged vary varies varied run running runs fluctuating")
CORRECTING = words_of("sorry no actually rather correction well wait mean lie oops")
WITH_CORRECTION = words_of("i i'm of or that make that's it's a tell it is should be maybe let me say more like oh the my")
COMPOUND = words_of("foot feet stone pounds metre")  # "five foot six, nine stone": no list
STREETS = words_of("road street lane avenue crescent terrace rd st ave")
TIMED = words_of("seconds minutes hours days weeks months years times a per or")
CHANGE_REACH = 8  # pieces before a number in which a word may say that it changes
MAX_LISTED = 14  # "two, three days"; in larger numbers a comma parts what does not belong together


@dataclass(frozen=True)
class Amount:
    """What is said of one thing, at pieces [start, end)."""

    value: str  # "2", "2-3", "2.5→5"
    low: float
    high: float
    start: int
    end: int
    vague: bool = False

    @property
    def is_change(self) -> bool:
        return CHANGE in self.value


def find_amounts(pieces: Sequence[Piece], names: Sequence[tuple[int, int]] = ()) -> list[Amount]:
    """All numbers of a sentence in order, those that belong together as one; none is a part of a name ("PHQ-9")."""
    ends = {end - 1 for _, end in names}
    parted = [replace(piece, pause=piece.pause or "," * (at in ends)) for at, piece in enumerate(pieces)]
    inside = {at for start, end in names for at in range(start, end)}
    read = [number for number in find_numbers(parted) if not inside & set(range(number.start, number.end))]
    read = [a for a, b in zip(read, [*read[1:], None], strict=False) if not (b and _is_repaired(pieces, a, b))]
    starts = {number.start for number in read if not number.vague}
    numbers = [number for number in read if not (number.vague and number.value == 1 and number.end in starts)]  # "an eight"
    found: list[Amount] = []
    at = 0
    while at < len(numbers):
        number = numbers[at]
        following = numbers[at + 1] if at + 1 < len(numbers) else None
        if following and (sign := _between(pieces, number, following)):
            low, high = sorted((number.value, following.value))
            found.append(Amount(number.text + sign + following.text, low, high, number.start, following.end, False))
            at += 2
        else:
            found.append(Amount(number.text, number.value, number.value, number.start, number.end, number.vague))
            at += 1
    return found


def _is_repaired(pieces: Sequence[Piece], a: Number, b: Number) -> bool:
    """Whether a number was a slip of the tongue: "fourteen, no, forty"."""
    between = {piece.text for piece in pieces[a.end : b.start]}
    return bool(between & CORRECTING) and between <= CORRECTING | WITH_CORRECTION and not a.vague


def _between(pieces: Sequence[Piece], a: Number, b: Number) -> str | None:
    """The sign between two numbers that belong together; None if they don't."""
    words = [piece.text for piece in pieces[a.end : b.start]]
    words = words[:-1] if words[-1:] in (["a"], ["an"]) and words[:-1] else words
    after = [piece.text for piece in pieces[b.end : b.end + 3]] + ["", "", ""]
    is_number = after[1].isdigit() or after[1] in CARDINALS
    is_over = after[0] == "over" and is_number and after[2] not in TIMED  # not "over 3 days"
    is_pressure = is_over or a.start > 0 and pieces[a.start - 1].text == "over"
    is_joined = (not words or " ".join(words) in TO) and pieces[a.end - 1].pause not in (".", "?", "!", ";")
    if is_pressure or not is_joined or a.vague or b.vague:
        return None
    if (pieces[a.start].text in OFTEN) != (pieces[b.start].text in OFTEN) and "to" not in words and "or" not in words:
        return None
    before = [piece.text for piece in pieces[max(0, a.start - CHANGE_REACH) : a.start]]
    if words[:1] == ["up"] and after[0] == "times" or before[-1:] and before[-1] in COMPOUND:
        return None  # "two, up to four times a day"
    if RANGING & set(before[-3:]) and words in (["to"], ["and"], ["up", "to"]) and a.value < b.value:
        return "-"  # "anywhere from 180 to 250"
    if words == ["and"]:
        return "-" if before[-1:] == ["between"] and a.value < b.value else None
    if words and words[-1] == "to" and a.value != b.value:
        directed = words[0] in ("up", "down") or before[-1:] == ["from"] or CHANGING & set(before)
        return CHANGE if directed or a.value > b.value else "-"
    if not words or words == ["maybe"]:
        is_round = a.value % 5 == b.value % 5 == 0 and b.value - a.value in (5, 10)  # "ten, fifteen minutes"
        is_list = b.value - a.value == 1 or b.value <= MAX_LISTED and a.value >= 1 and b.value - a.value <= 4
        is_list = is_list or is_round and (b.end >= len(pieces) or pieces[b.end].text in TIMED)
        is_list = is_list and not (after[0] == "times" and b.value - a.value > 1)  # "two, four times a day"
        wanted = bool(pieces[a.end - 1].pause) or b.value - a.value == 1
        return "-" if is_list and wanted and a.value < b.value and a.value.is_integer() else None
    return "-" if a.value < b.value else None


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
    asked_medicine: str = ""  # "And the amlodipine?"
    scale: bool = False  # how bad something is, out of ten, has been asked for
    asked_value: Quantity | None = None  # the number in the question: "Four times?" - "No, three."
    complaints: Sequence[tuple[int, int]] = ()  # pieces [start, end) of what is no medicine and no habit
    texts: list[str] = field(init=False)
    names: list[tuple[int, int, Name]] = field(init=False)
    amounts: list[Amount] = field(init=False)

    def __post_init__(self) -> None:
        texts = [piece.text for piece in self.pieces]
        names = named(texts)
        amounts = [
            amount
            for amount in find_amounts(self.pieces, [(start, end) for start, end, _ in names])
            if texts[amount.end : amount.end + 1] != ["something"]  # "eight something" is no value
            and not STREETS & set(texts[amount.end + 1 : amount.end + 2])
            and (not amount.vague or counted_from(texts, amount.end) is not None or _is_part_of(texts, amount, self.medicines))
        ]
        for name, value in (("texts", texts), ("names", names), ("amounts", amounts)):
            object.__setattr__(self, name, value)

    def text(self, at: int) -> str:
        return self.texts[at] if 0 <= at < len(self.texts) else ""

    def says(self, words: frozenset[str]) -> bool:
        """Whether the sentence, or the question that it answers, has one of the words."""
        return bool(words & set(self.texts) or words & set(self.asked))

    @property
    def asks_how_many(self) -> bool:
        """Whether this answers how many of something are taken, and not how many times."""
        said = f" {' '.join(self.asked)} "
        return " how many " in said and not any(f" how many {unit} " in said for unit in ("times", "milligrams", "units"))

    def amount_at(self, at: int) -> Amount | None:
        return next((amount for amount in self.amounts if amount.start == at), None)


def stands_alone(sentence: Sentence, amount: Amount) -> bool:
    """Whether nothing is counted by a number: the sentence or clause ends there, or goes on with a function word."""
    is_end = amount.end >= len(sentence.texts) or bool(sentence.pieces[amount.end - 1].pause)
    after = sentence.text(amount.end)
    return is_end or after in FOLLOWING or after.endswith(("ing", "ly")) and after not in PERIODS


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
