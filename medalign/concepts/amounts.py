"""One number or two that belong together: "two to three", "75 up to 100", "one or two", "between 5 and 10"."""

from collections.abc import Sequence
from dataclasses import dataclass

from medalign.concepts.numbers import OFTEN, Number, Piece, find_numbers
from medalign.concepts.tokens import words_of

CHANGE = "→"  # between the value before and the value after: "2.5→5"
TO: tuple[list[str], ...] = (
    ["to"],
    ["up", "to"],
    ["down", "to"],
    ["or"],
    ["maybe"],
    ["or", "maybe"],
    ["perhaps"],
    ["sometimes"],
    ["occasionally"],
    ["or", "sometimes"],
    ["maybe", "even"],
    ["possibly"],
    ["or", "even"],
    ["and"],
    [],
)
CHANGING = words_of(
    "increase increased increasing reduce reduced reducing drop dropped dropping cut taper titrate titrated double doubled "
    "raise raised lower lowered change changed switch switched move moved step bump bumped bring wean halve halved up put push"
)
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


def find_amounts(pieces: Sequence[Piece]) -> list[Amount]:
    """All numbers of a sentence in order, those that belong together as one."""
    numbers = find_numbers(pieces)
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


def _between(pieces: Sequence[Piece], a: Number, b: Number) -> str | None:
    """The sign between two numbers that belong together; None if they don't."""
    words = [piece.text for piece in pieces[a.end : b.start]]
    words = words[:-1] if words[-1:] in (["a"], ["an"]) and words[:-1] else words
    is_pressure = "over" in (pieces[a.start - 1].text if a.start else "", pieces[b.end].text if b.end < len(pieces) else "")
    if is_pressure or words not in TO or a.vague or b.vague or pieces[a.end - 1].pause in (".", "?", "!", ";"):
        return None
    if (pieces[a.start].text in OFTEN) != (pieces[b.start].text in OFTEN) and "to" not in words and "or" not in words:
        return None
    before = [piece.text for piece in pieces[max(0, a.start - CHANGE_REACH) : a.start]]
    if words == ["and"]:
        return "-" if before[-1:] == ["between"] and a.value < b.value else None
    if words and words[-1] == "to" and a.value != b.value:
        directed = words[0] in ("up", "down") or before[-1:] == ["from"] or CHANGING & set(before)
        return CHANGE if directed or a.value > b.value else "-"
    if not words or words == ["maybe"]:
        is_round = a.value % 5 == b.value % 5 == 0 and b.value - a.value in (5, 10)  # "ten, fifteen minutes"
        is_list = b.value - a.value == 1 or b.value <= MAX_LISTED and a.value >= 1 and b.value - a.value <= 4
        is_list = is_list or is_round and pieces[b.end].text in TIMED if b.end < len(pieces) else is_list
        wanted = bool(pieces[a.end - 1].pause) or b.value - a.value == 1
        return "-" if is_list and wanted and a.value < b.value and a.value.is_integer() else None
    return "-" if a.value < b.value else None
