"""How often: "three times a day", "twice weekly", "every four to six hours", "six hourly", bd, tds; and rates."""

from collections.abc import Sequence

from medalign.concepts.numbers import OFTEN
from medalign.concepts.units import ABBREVIATED, EVERY, PER, PERIODS, TIMES, WEEKDAYS

Read = tuple[str, str, int]  # value, unit, end of its pieces


def frequency(texts: Sequence[str], value: str, start: int, end: int) -> Read | None:
    """What the number `value` at pieces [start, end) counts, if it counts how often."""
    after = list(texts[end : end + 4])
    if "every" in texts[max(0, start - 1) : start] and after[:1] and after[0] in TIMES:
        return f"every {value}", TIMES[after[0]], end + 1
    if after[:1] and after[0] in EVERY and texts[start] not in OFTEN and value != "1":
        return f"every {value}", EVERY[after[0]], end + 1
    if after[:1] == ["times"]:
        end, after = end + 1, after[1:]
    elif texts[start] not in OFTEN:
        return None
    return (value, *found) if (found := rate(texts, end)) else None


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
    """ "bd", "tds", "every other day"."""
    if texts[at] in ABBREVIATED:
        return ABBREVIATED[texts[at]], "a day", at + 1
    if list(texts[at : at + 3]) == ["every", "other", "day"] or list(texts[at : at + 2]) == ["alternate", "days"]:
        return "every 2", "days", at + 2 + (texts[at] == "every")
    return None
