"""How often: "three times a day", "twice weekly", "every four to six hours", "six hourly", bd, tds; and rates."""

from collections.abc import Sequence

from medalign.concepts.numbers import OFTEN
from medalign.concepts.tokens import words_of
from medalign.concepts.units import ABBREVIATED, EVERY, PER, PERIODS, TIMES, WEEKDAYS

Read = tuple[str, str, int]  # value, unit, end of its pieces
BETWEEN = words_of("of or so odd more")
SPANS = {
    ("yesterday",): "a day", ("today",): "a day", ("last", "night"): "a night", ("overnight",): "a night",
    ("during", "the", "night"): "a night", ("in", "the", "night"): "a night", ("through", "the", "night"): "a night",
    ("this", "week"): "a week", ("last", "week"): "a week", ("in", "the", "last", "week"): "a week",
    ("in", "the", "past", "week"): "a week", ("this", "month"): "a month", ("last", "month"): "a month",
    ("in", "24", "hours"): "a day", ("in", "twenty", "four", "hours"): "a day",
    ("in", "the", "last", "24", "hours"): "a day", ("this", "year"): "a year", ("last", "year"): "a year",
}  # fmt: skip
ALTERNATE = words_of("day days night nights morning mornings evening evenings week weeks month months")


def frequency(texts: Sequence[str], value: str, start: int, end: int) -> Read | None:
    """What the number `value` at pieces [start, end) counts, if it counts how often."""
    after = list(texts[end : end + 4])
    if "every" in texts[max(0, start - 1) : start] and after[:1] and after[0] in TIMES:
        return f"every {value}", TIMES[after[0]], end + 1
    if after[:1] and after[0] in EVERY and texts[start] not in OFTEN and value != "1":
        return f"every {value}", EVERY[after[0]], end + 1
    while after[:1] and after[0] in BETWEEN and "times" in after[:3]:  # "four or so times", "a couple of times"
        end, after = end + 1, list(texts[end + 1 : end + 5])
    if after[:1] == ["times"]:
        end, after = end + 1, after[1:]
    elif texts[start] not in OFTEN:
        return None
    if found := rate(texts, end) or (value != "1" and _in_span(texts, end)):
        return value, *found
    return None


def _in_span(texts: Sequence[str], at: int) -> tuple[str, int] | None:
    """ "five times yesterday", "three times this week": in one day or week."""
    for phrase, period in SPANS.items():
        if list(texts[at : at + len(phrase)]) == list(phrase):
            return period, at + len(phrase)
    return None


def rate(texts: Sequence[str], at: int) -> tuple[str, int] | None:
    """ "a day", "per week", "daily", "on a Friday": the period that starts at `at`, and its end."""
    after = list(texts[at : at + 3])
    if after[:1] and after[0] in PERIODS and after[0].endswith("ly"):
        return PERIODS[after[0]], at + 1
    if after[:1] == ["in"] and after[1:2] in (["a"], ["one"], ["the"]):
        return (PERIODS[after[2]], at + 3) if len(after) > 2 and after[2] in ("day", "night", "week", "month") else None
    if len(after) > 1 and after[0] in PER and after[1] in PERIODS and not after[1].endswith("ly"):
        return PERIODS[after[1]], at + 2
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
