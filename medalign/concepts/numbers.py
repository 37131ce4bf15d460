"""Numbers as they are said: digits, words, decimals, halves, "one fifty", "a couple".

Runs of number words are read by text2num
(https://pypi.org/project/text2num/); how people shorten them ("one fifty", "thirty seven two") is read here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from text_to_num import text2num

from medalign.concepts.pieces import DIGITS, FRACTIONS, Piece
from medalign.concepts.tokens import word_list, words_of

CARDINALS = word_list("numbers.cardinals")
NOUGHT = words_of("oh o nought naught zero")
LARGE = words_of("hundred thousand million")
AT_THIS = words_of("this that some the a no which any one's")  # "at this point five of us": no decimal
BEFORE_ONE = word_list("numbers.before_one")  # "the other one", "a big one": a pronoun
NO_ADJECTIVE = words_of("is was at of to on for it and or score has been were be scored got only just about now")
PARTS = {"half": 0.5, "quarter": 0.25}
VAGUE = {"a": 1.0, "an": 1.0, "couple": 2.0, "dozen": 12.0}
OFTEN = {"once": 1.0, "twice": 2.0, "thrice": 3.0}
NAMING = word_list("numbers.naming")  # "type 2", "room 6"
SOME_DAY = words_of("good bad normal usual busy same next other that this every per a each worst best")  # "on a bad day nine"
MONTHS = words_of("january february march april june july august september october november december")
STRENGTHS = words_of("mg mgs milligram milligrams milligramme milligrammes mcg micrograms microgram")


@dataclass(frozen=True)
class Number:
    """A number at pieces [start, end)."""

    value: float
    start: int
    end: int
    vague: bool = False  # "a", "an", "couple": no number unless a unit follows
    in_words: bool = False

    @property
    def text(self) -> str:
        return f"{self.value:.10g}"


def find_numbers(pieces: Sequence[Piece]) -> list[Number]:
    """All numbers in order; no two share a piece."""
    found: list[Number] = []
    at = 0
    while at < len(pieces):
        number = _in_digits(pieces, at) or _in_words(pieces, at) or _vague(pieces, at)
        if number is None:
            at += 1
            continue
        number = _with_fraction(pieces, number)
        if not _is_name(pieces, number):
            found.append(number)
        at = number.end
    return found


def _in_digits(pieces: Sequence[Piece], at: int) -> Number | None:
    text = pieces[at].text
    if text in FRACTIONS:
        return Number(FRACTIONS[text], at, at + 1)
    if not DIGITS.fullmatch(text):
        return None
    value, end = float(text.replace(",", "")), at + 1
    if "." not in text and not pieces[at].pause and (decimals := _decimals(pieces, end)):
        return Number(value + decimals[0], at, decimals[1])
    return Number(value, at, end)


def _in_words(pieces: Sequence[Piece], at: int) -> Number | None:
    """A number in words, with all that belongs to it: "one hundred and one point four", "one thirty six", "point five"."""
    said = pieces[at].text
    if said == "point" and (at == 0 or pieces[at - 1].text not in AT_THIS) and (decimals := _decimals(pieces, at)):
        return Number(decimals[0], at, decimals[1], in_words=True)
    first = _cardinal(pieces, at)
    is_pronoun = said == "one" and at > 0 and (pieces[at - 1].text in BEFORE_ONE or _is_this_one(pieces, at))
    if first is None or is_pronoun and not (pieces[at - 1].pause and _cardinal(pieces, at + 1)):
        return None
    value, end = first
    if decimals := _decimals(pieces, end):
        return Number(value + decimals[0], at, decimals[1], in_words=True)
    run = [first]
    while not pieces[run[-1][1] - 1].pause and len(run) < 4 and (more := _cardinal(pieces, run[-1][1], True)):
        run.append(more)
    joined = _joined([value for value, _ in run], pieces[run[-1][1]].text if run[-1][1] < len(pieces) else "")
    if joined is not None:
        value, n = joined
        end = run[n - 1][1]
        if decimals := _decimals(pieces, end):
            return Number(value + decimals[0], at, decimals[1], in_words=True)
    return Number(value, at, end, in_words=True)


def _is_this_one(pieces: Sequence[Piece], at: int) -> bool:
    """ "The slow release one,": a determiner, words that are no verb, "one", and a pause or the end."""
    if not pieces[at].pause and at + 1 < len(pieces):
        return False
    for place in range(at - 1, max(-1, at - 4), -1):
        if pieces[place].pause or pieces[place].text in NO_ADJECTIVE or pieces[place].text in CARDINALS:
            return False
        if pieces[place].text in ("the", "this", "that", "those", "these"):
            return True
    return False


def _joined(run: Sequence[float], following: str) -> tuple[float, int] | None:
    """What several number words in a row mean together, and how many of them: 1, 50 -> 150; 37, 2 -> 37.2; 1, 3, 1 -> 131."""
    if len(run) >= 3 and all(value < 10 for value in run[:3]) and run[0] and not run[0] + 1 == run[1] == run[2] - 1:
        return run[0] * 100 + run[1] * 10 + run[2], 3
    if len(run) < 2:
        return None
    a, b = run[:2]
    if (1 <= a <= 9 or 18 <= a <= 20) and 10 <= b <= 99:  # "one fifty", and the year "nineteen ninety five"
        return a * 100 + b, 2
    is_time = following.startswith(("day", "week", "hour", "month", "year", "minute", "time"))
    if 34 <= a <= 42 and 0 < b < 10 and not is_time:
        return a + b / 10, 2
    return None


def _cardinal(pieces: Sequence[Piece], at: int, nought: bool = False) -> tuple[float, int] | None:
    """Value and end of the longest run of number words from `at` that is one number; commas end it."""
    if at >= len(pieces):
        return None
    texts: list[str] = []
    for place in range(at, min(at + 10, len(pieces))):
        text = pieces[place].text
        follower = pieces[place + 1].text if place + 1 < len(pieces) else ""
        if text == "a" and not texts and follower in LARGE:
            text = "one"
        elif not (text in CARDINALS or (text == "and" and texts and texts[-1] in LARGE and follower in CARDINALS)):
            break
        if text in LARGE and text in texts[:-1] and "thousand" not in texts:  # "five hundred five hundred": said twice
            texts.pop()
            break
        texts.append(text)
        if pieces[place].pause:
            break
    counts = at + len(texts) < len(pieces) and pieces[at + len(texts)].text == "times"
    if counts and len(texts) > 1 and texts[-2] in LARGE:  # "four hundred, three times a day"
        texts.pop()
    for n in range(len(texts), 0, -1):
        if texts[n - 1] == "and" or (texts[0] == "zero" and n > 1):
            continue
        try:
            return float(text2num(" ".join(texts[:n]), "en")), at + n
        except ValueError:
            continue
    has_decimals = [piece.text for piece in pieces[at + 1 : at + 2]] == ["point"] and not pieces[at].pause
    return (0.0, at + 1) if pieces[at].text in NOUGHT and (nought or has_decimals) else None


def _decimals(pieces: Sequence[Piece], at: int) -> tuple[float, int] | None:
    """Value and end of "point two five", whose digits may be said one by one or together."""
    if at + 1 >= len(pieces) or pieces[at].text != "point" or pieces[at].pause:
        return None
    digits, place = "", at + 1
    while place < len(pieces) and not (digits and pieces[place - 1].pause):
        text = pieces[place].text
        if text.isdigit() and text.isascii() and not digits:
            digits, place = text, place + 1
            break
        found = (0.0, place + 1) if text in NOUGHT else _cardinal(pieces, place)
        if found is None or found[0] >= 100 or (digits and found[0] >= 10 and digits.strip("0")):
            break
        digits += f"{found[0]:.0f}"
        place = found[1]
    return (float("0." + digits), place) if digits else None


def _vague(pieces: Sequence[Piece], at: int) -> Number | None:
    """ "a", "a couple of", "half a", "a quarter of an", "three quarters of an"; "once" is read with what is counted."""
    text = pieces[at].text
    if text in ("a", "an") and at + 1 < len(pieces) and pieces[at + 1].text in ("couple", "dozen", "half", "quarter"):
        inner = _vague(pieces, at + 1)
        return inner and replace(inner, start=at)
    is_rest = "and" in (pieces[max(0, at - 2)].text, pieces[max(0, at - 1)].text)  # "two and a half"
    if text in PARTS and not (is_rest and [piece.text for piece in pieces[at + 1 : at + 2]] != ["of"]):
        end = at + 1
        while end < len(pieces) and pieces[end].text in ("of", "a", "an", "the") and end - at < 3:
            end += 1
        return Number(PARTS[text], at, end, vague=True)
    if text in OFTEN:
        return Number(OFTEN[text], at, at + 1)
    if text == "first" and [p.text for p in pieces[max(0, at - 2) : at]] == ["for", "the"]:  # "for the first week"
        return Number(1.0, at, at + 1, vague=True)
    if text not in VAGUE:
        return None
    of = text in ("couple", "dozen") and at + 1 < len(pieces) and pieces[at + 1].text == "of"
    return Number(VAGUE[text], at, at + 1 + of, vague=text != "dozen")


def _with_fraction(pieces: Sequence[Piece], number: Number) -> Number:
    """ "two and a half", "2 1/2", "three quarters"; "a week and a half" is read with its unit."""
    rest = [piece.text for piece in pieces[number.end : number.end + 3]]
    if pieces[number.end - 1].pause and rest[:1] != ["and"]:
        return number
    if part := half_after(pieces, number.end):
        return replace(number, value=number.value + part[0], end=part[1], vague=False)
    if rest[:1] and rest[0] in FRACTIONS:
        return replace(number, value=number.value + FRACTIONS[rest[0]], end=number.end + 1)
    if rest[:1] == ["quarters"] and number.value == 3:
        end = number.end + 1 + (rest[1:2] == ["of"]) + (rest[1:3] in (["of", "a"], ["of", "an"]))
        return replace(number, value=0.75, end=end)
    return number


def half_after(pieces: Sequence[Piece], at: int) -> tuple[float, int] | None:
    """Value and end of "and a half", "and a quarter", "and three quarters"."""
    rest = [piece.text for piece in pieces[at : at + 3]]
    if rest in (["and", "a", "half"], ["and", "a", "quarter"]):
        return PARTS[rest[2]], at + 3
    if rest == ["and", "three", "quarters"]:
        return 0.75, at + 3
    return (0.5, at + 2) if rest[:2] == ["and", "half"] else None


def _is_name(pieces: Sequence[Piece], number: Number) -> bool:
    """A number that names something: "type 2", "room 6", a year, a phone number, "3 o'clock"."""
    before = pieces[number.start - 1].text if number.start and not pieces[number.start - 1].pause else ""
    after = pieces[number.end].text if number.end < len(pieces) and not pieces[number.end - 1].pause else ""
    text = pieces[number.start].text
    is_year = text.isdigit() and len(text) == 4 and 1900 <= number.value <= 2099 and before in ("in", "since", "of", *MONTHS)
    is_long = text.isdigit() and (len(text) > 5 or len(text) > 1 and text[0] == "0")
    next_to = any(DIGITS.fullmatch(other) and len(other) > 2 and "." not in other for other in (before, after))
    is_phone = is_long or next_to and text.isdigit() and len(text) > 2
    is_hour = before == "at" and number.value <= 12 and after in ("every", "each")  # "I wake at four every morning"
    is_clock = after in ("o'clock", "am", "pm") or text.count(":") == 1 or is_hour
    of = pieces[min(number.end + 1, len(pieces) - 1)].text if after == "of" else ""
    is_date = bool(MONTHS & {before, after, of}) and after not in STRENGTHS  # "lies in April 10 milligrams" is a dose
    is_covid = before == "covid" and number.value == 19
    is_slip = before == "no" and pieces[max(0, number.start - 2)].text in CARDINALS  # "fourteen, no, forty"
    is_slip = is_slip or before in ("day", "week", "number") and pieces[max(0, number.start - 2)].text in SOME_DAY
    return before in NAMING and not is_slip or is_covid or is_year or is_phone or is_clock or is_date
