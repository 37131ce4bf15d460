"""Tables of what is measured: units behind a number (`data/units.csv`), names before it (`data/quantities.csv`), and words.

Each has the range that can be true of a person. Where a name comes without a unit, the first of its readings that holds the
number gives the unit: an HbA1c of 58 is mmol/mol, of 7.2 per cent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from medalign.concepts.numbers import OFTEN
from medalign.concepts.tokens import PhraseTree, data_rows, word_list, words_of


@dataclass(frozen=True)
class Reading:
    """A unit and the range of plausible values in it."""

    unit: str
    low: float
    high: float


@dataclass(frozen=True)
class Unit(Reading):
    """What may stand behind a number, and what the two then are."""

    kind: str


@dataclass(frozen=True)
class Name:
    """What may stand before a number that needs no unit."""

    group: str  # vital, laboratory, score
    kind: str
    readings: tuple[Reading, ...]


NO_PLURAL = words_of("weight weigh weighing heavy tall act cat fast chol mag")


def _units() -> PhraseTree[list[Unit]]:
    rows = data_rows("units.csv")
    words_by_unit = {"@per": ["per", "a", "an", "each", "for each", "for every"]}
    for row in rows:
        words_by_unit.setdefault(f"@{row['unit']}", row["words"].split("|"))
    by_words: dict[tuple[str, ...], list[Unit]] = {}
    for row in rows:
        unit = Unit(row["unit"], float(row["low"] or 0), float(row["high"] or "inf"), row["kind"])
        for words in row["words"].split("|"):  # "@mg @per @kg": in all words of these units
            for said in product(*(words_by_unit.get(word, [word]) for word in words.split())):
                by_words.setdefault(tuple(" ".join(said).split()), []).append(unit)
    return PhraseTree(by_words)


def _names() -> PhraseTree[Name]:
    tree = PhraseTree[Name]()
    for row in data_rows("quantities.csv"):
        parts = [reading.split() for reading in row["readings"].split("|")]
        readings = tuple(Reading("" if unit == "-" else unit, float(low), float(high)) for unit, low, high in parts)
        for words in row["words"].split("|"):
            for form in (words, re.sub("(?<=[a-z])-(?=[a-z])", " ", words)):  # hyphens between letters part pieces
                name = Name(row["group"], row["kind"], readings)
                tree.add(form.split(), name)
                if form[-2:].isalpha() and len(form) > 2 and form not in NO_PLURAL and not form.endswith("s"):
                    tree.add(f"{form}s".split(), name)  # "heart rates eighty eight": recognisers leave out the apostrophe
    return tree


UNITS = _units()
NAMES = _names()
LABORATORY = frozenset(row["kind"] for row in data_rows("quantities.csv") if row["group"] == "laboratory")
SCORES = frozenset(row["kind"] for row in data_rows("quantities.csv") if row["group"] == "score") | {"pain score"}
DOSE_WORDS = frozenset(
    word
    for row in data_rows("units.csv") if row["kind"] == "dose" and row["unit"] != "%"
    for word in row["words"].split("|") if " " not in word  # "of" of "litres of oxygen" is none
) | words_of("dose doses inhaler cream ointment antibiotic antibiotics medicine medication oxygen")  # fmt: skip
TIMES = {word: row["unit"] for row in data_rows("units.csv") if row["kind"] == "duration" for word in row["words"].split("|")}
PER = words_of("a an per each every")
PERIODS = {  # "three times a day", "twice daily"
    "day": "a day", "days": "a day", "daily": "a day", "night": "a night", "nightly": "a night", "nights": "a night",
    "evening": "a day", "morning": "a day", "week": "a week", "weekly": "a week", "month": "a month", "monthly": "a month",
    "year": "a year", "yearly": "a year", "hour": "an hour", "hourly": "an hour", "weekend": "a week",
    "fortnight": "a fortnight", "minute": "a minute", "fortnightly": "a fortnight",
}  # fmt: skip
WEEKDAYS = words_of("monday tuesday wednesday thursday friday saturday sunday weekend")
EVERY = {"hourly": "hours", "weekly": "weeks", "monthly": "months", "yearly": "years"}  # "six hourly"
ABBREVIATED = {"od": "1", "qd": "1", "bd": "2", "bid": "2", "tds": "3", "tid": "3", "tid.": "3", "qds": "4", "qid": "4"}
ALCOHOL = word_list("units.alcohol")
DRINKING = ALCOHOL | words_of("drink drinks drinking drank drinker")
NOT_ALCOHOL = word_list("units.not_alcohol")
SMOKING = words_of("smoke smoked smoking smoker smokes cigarettes cigarette tobacco fags vape roll-ups")
HEIGHT = words_of("tall height length")
POUNDS = words_of("weigh weight weighs lost gained lose gain heavier lighter heavy baby born birth stone put")
# Forms in which other things come, too: they need a medicine in the sentence.
SOFT_FORMS = words_of("drops patches sprays injections spoonfuls % mmol lozenges tablespoons litres l/min ng")
# The unit of a number that is said with the medicine alone, where it is not mg: "levothyroxine 100".
BARE_UNITS = {
    "mcg": words_of("levothyroxine digoxin fentanyl fludrocortisone liothyronine clonidine"),
    "units": words_of("insulin lantus novorapid humalog glargine humulin levemir tresiba"),
}
# Medicines whose tablets hold so much that a small number counts them: "co-codamol, two up to four times a day".
COUNTED_MEDICINES = word_list("units.counted_medicines")
# What may stand between a name and its number.
LINKS = word_list("units.links")


Read = tuple[str, str, int]  # value, unit, end of its pieces
BETWEEN = words_of("of or so odd more")
TODAY = {"yesterday": "a day", "today": "a day", "overnight": "a night"}
SPANNING = words_of("in over during through within the this last past")
KINDS_OF_DAY = words_of("bad good normal busy typical heavy stressful usual")
ALTERNATE = words_of("day days night nights morning mornings evening evenings week weeks month months")


def frequency(texts: Sequence[str], value: str, start: int, end: int) -> Read | None:
    """What the number `value` at pieces [start, end) counts, if it counts how often."""
    after = list(texts[end : end + 4])
    if "every" in texts[max(0, start - 1) : start] and after[:1] and after[0] in TIMES:
        return f"every {value}", TIMES[after[0]], end + 1
    if after[:1] and after[0] in TIMES and after[1:2] == ["apart"]:
        return f"every {value}", TIMES[after[0]], end + 2
    if after[:1] and after[0] in EVERY and texts[start] not in OFTEN and value != "1":
        return f"every {value}", EVERY[after[0]], end + 1
    while after[:1] and after[0] in BETWEEN and "times" in after[:3]:  # "four or so times", "a couple of times"
        end, after = end + 1, list(texts[end + 1 : end + 5])
    if after[:1] == ["times"]:
        end, after = end + 1, after[1:]
    elif texts[start] not in OFTEN:
        return None
    elif value == "1" and (time := _time_of_day(texts, end)):
        again = _time_of_day(texts, time + 2) if list(texts[time : time + 2]) == ["and", "once"] else None
        return ("2", "a day", again) if again else ("1", "a day", time)
    if found := rate(texts, end) or (value != "1" and in_span(texts, end)):
        return value, *found
    return None


def _time_of_day(texts: Sequence[str], at: int) -> int | None:
    """End of "in the morning", "at night"."""
    said = [text for text in texts[at : at + 3] if text not in ("the", "in", "at", "every", "each")]
    is_time = said[:1] and said[0] in ("morning", "evening", "night", "bedtime", "lunchtime", "mornings", "evenings")
    return list(texts).index(said[0], at) + 1 if is_time else None


def in_span(texts: Sequence[str], at: int) -> tuple[str, int] | None:
    """ "five times yesterday", "three fits in the last year", "twice during the night": in one day, week, month or year."""
    end = at
    while texts[end : end + 1] and texts[end] in SPANNING and end - at < 3:
        end += 1
    opened, period = set(texts[at:end]), texts[end] if end < len(texts) else ""
    if not opened or period in TODAY:
        return (TODAY[period], end + 1) if period in TODAY else None
    if list(texts[end : end + 2]) == ["24", "hours"] or list(texts[end : end + 3]) == ["twenty", "four", "hours"]:
        return "a day", end + 2 + (period == "twenty")
    is_one = opened & {"this", "last", "past"} or period == "night" and "the" in opened
    return (PERIODS[period], end + 1) if is_one and period in ("day", "night", "week", "month", "year", "fortnight") else None


def rate(texts: Sequence[str], at: int) -> tuple[str, int] | None:
    """ "a day", "per week", "daily", "on a Friday": the period that starts at `at`, and its end."""
    after = list(texts[at : at + 3])
    if after[:1] and after[0] in PERIODS and after[0].endswith("ly"):
        return PERIODS[after[0]], at + 1
    if after[:1] == ["in"] and after[1:2] in (["a"], ["one"], ["the"]):
        return (PERIODS[after[2]], at + 3) if len(after) > 2 and after[2] in ("day", "night", "week", "month") else None
    if len(after) > 1 and after[0] in PER and after[1] in PERIODS and not after[1].endswith("ly"):
        return PERIODS[after[1]], at + 2
    following = texts[at + 3] if at + 3 < len(texts) else ""
    if after in (["lasts", "me", "the"], ["lasts", "me", "a"]) and following in ("day", "night", "week", "month"):
        return PERIODS[following], at + 4
    if after[:2] == ["on", "a"] and following == "day" and after[2] in KINDS_OF_DAY:  # "on a bad day"
        return "a day", at + 4
    if after[:1] in (["on"], ["at"]) and after[1:2] in (["a"], ["the"]) and after[2].removesuffix("s") in WEEKDAYS:
        return "a week", at + 3
    return None


def abbreviated(texts: Sequence[str], at: int) -> Read | None:
    """ "bd", "tds", "every other day", "alternate nights", "every fortnight"."""
    if texts[at] in ABBREVIATED:
        return ABBREVIATED[texts[at]], "a day", at + 1
    if texts[at] not in ("every", "alternate", "each"):
        return None
    is_other = texts[at] == "alternate" or texts[at + 1 : at + 2] in (["other"], ["second"])
    place = at + 1 + (is_other and texts[at] == "every")
    unit = texts[place] if place < len(texts) else ""
    if is_other and unit in ALTERNATE:
        return "every 2", f"{unit.rstrip('s')}s" if unit.startswith(("week", "month")) else "days", place + 1
    is_counted = not is_other and unit in ("hour", "day", "week", "fortnight", "month", "year")
    return ("1", PERIODS[unit], place + 1) if is_counted else None
