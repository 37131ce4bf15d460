"""A number with its unit as a quantity of some kind, where the words around allow it."""

from dataclasses import replace

from medalign.concepts.body import height, weight
from medalign.concepts.numbers import OFTEN, half_after
from medalign.concepts.sentence import Amount, Quantity, Sentence, counted_from
from medalign.concepts.tokens import word_list, words_of
from medalign.concepts.units import ALCOHOL, DRINKING, NOT_ALCOHOL, SMOKING, SOFT_FORMS, TIMES, UNITS, Unit, rate

FORMS = words_of("tablet tablets capsule capsules puff puffs patch patches sachet sachets pill pills")
DOSED = words_of("od bd tds qds bid tid qid daily once twice eye eyes ear nostril nostrils tongue nose nightly spacer inhaler")
FLUIDS = words_of("saline hartmann's hartmanns iv bolus drip dextrose crystalloid intravenous")
AIR = words_of("air litres litre oxygen")
OXYGEN = words_of("rebreathe rebreather non-rebreathe mask nasally oxygen o2 nasal prongs concentrator venturi specs")
BOXES = words_of("box boxes pack packet bottle strip pot")
DETERMINERS = words_of("the my your those these his her")
SERVED = word_list("unit_kinds.served")


def with_unit(sentence: Sentence, amount: Amount) -> Quantity | None:
    end = counted_from(sentence.texts, amount.end)
    match = UNITS.longest(sentence.texts, end) if end is not None else None
    if match is None:
        return _counted_strength(sentence, amount)
    end, units = match
    if sentence.text(end) in ("before", "after") and units[0].unit.endswith("/hour"):  # "two milligrams an hour before bed"
        end, units = UNITS.longest(sentence.texts[: end - 2], amount.end) or match
    if (half := half_after(sentence.pieces, end)) and amount.low == amount.high:
        value = amount.low + half[0]  # "a week and a half"
        amount, end = replace(amount, value=f"{value:g}", low=value, high=value), half[1]
    for unit in sorted(units, key=lambda unit: unit.kind == "dose"):
        if quantity := _as_kind(sentence, amount, unit, end):
            return quantity
    return None


def _counted_strength(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "one or two 5 mg tablets": the first number counts the tablets."""
    at = amount.end
    while sentence.text(at) in DETERMINERS | {"of", "them"} and at - amount.end < 3:  # "six of the five milligram tablets"
        at += 1
    strength = sentence.amount_at(at)
    match = UNITS.longest(sentence.texts, strength.end) if strength else None
    end = next((end for start, end, _ in sentence.medicines if match and start == match[0]), match[0] if match else 0)
    form = UNITS.longest(sentence.texts, end) if match and sentence.text(end) in FORMS else None
    is_count = form and amount.high <= 12
    return Quantity("dose", amount.value, form[1][0].unit, amount.start, amount.end) if form and is_count else None


def _as_kind(sentence: Sentence, amount: Amount, unit: Unit, end: int) -> Quantity | None:
    """The number as a quantity of the unit's kind, where the words around allow it."""
    is_plausible = unit.low <= amount.low and amount.high <= unit.high
    made = Quantity(unit.kind, amount.value, unit.unit, amount.start, end, is_plausible)
    if unit.kind in ("peak flow", "laboratory", "blood pressure"):  # whose units count with a name only
        return None
    reader = {
        "dose": _dose, "temperature": _temperature, "weight": weight, "height": height, "alcohol": _alcohol,
        "tobacco": _tobacco, "duration": _duration, "oxygen saturation": _saturation,
    }.get(unit.kind)  # fmt: skip
    if amount.vague and unit.kind not in ("dose", "duration", "alcohol", "tobacco", "weight") and unit.unit != "m":
        return None
    return reader(sentence, amount, made) if reader else made


def _saturation(sentence: Sentence, amount: Amount, made: Quantity) -> Quantity | None:
    named = [start for start, _, name in sentence.names if name.kind == made.kind and start != made.end]
    is_breathing = amount.low >= 70 and bool(AIR & set(sentence.texts))
    return made if (named or is_breathing) and made.is_plausible and sentence.text(made.end) not in OXYGEN else None


def _temperature(sentence: Sentence, amount: Amount, made: Quantity) -> Quantity | None:
    if made.unit != "°":
        return made
    scales = [("°C", 34, 44), ("°F", 86, 112)]
    unit = next((scale for scale, low, high in scales if low <= amount.low and amount.high <= high), None)
    return replace(made, unit=unit) if unit else None


def _alcohol(sentence: Sentence, amount: Amount, made: Quantity) -> Quantity | None:
    texts = sentence.texts
    thing = texts[made.end : made.end + 4] if sentence.text(made.end) == "of" else []
    of_alcohol = bool(ALCOHOL & set(thing))
    known = next((n + 1 for n, text in enumerate(thing) if text in ALCOHOL), 0)
    brand = next((n for n in range(2, len(thing)) if rate(texts, made.end + n)), 0)  # "six cans of Stella a night"
    if NOT_ALCOHOL & set(thing) and not of_alcohol or thing and not (of_alcohol or brand):
        return None
    of_alcohol = of_alcohol or brand > 0
    end = made.end + (known or brand) + 2 * (texts[made.end : made.end + 2] == ["or", "so"])
    if half := half_after(sentence.pieces, made.end):
        end = half[1]
    period = rate(texts, end)
    is_weekly = made.unit == "units" and period == ("a week", made.end + 2) and not sentence.medicines and made.is_plausible
    is_other = NOT_ALCOHOL & set(texts) and not ALCOHOL & set(texts)
    is_round = made.unit in ("glasses", "bottles", "cans") and period is not None and period[0] in ("a week", "a night")
    drinks = sentence.says(DRINKING) or made.unit in SERVED and period is not None or is_weekly or is_round
    if not of_alcohol and (is_other or not drinks or sentence.medicines and made.unit == "units"):
        return None
    if amount.vague and not of_alcohol and not period:
        return None
    unit = f"{made.unit} {period[0]}" if period else made.unit
    return replace(made, unit=unit, end=period[1] if period else made.end)


def _tobacco(sentence: Sentence, amount: Amount, made: Quantity) -> Quantity | None:
    at = made.end + 2 if sentence.texts[made.end : made.end + 2] in (["of", "cigarettes"], ["of", "fags"]) else made.end
    period = rate(sentence.texts, at)
    if made.unit == "packs" and not (sentence.says(SMOKING) or period):
        return None
    return replace(made, unit=f"{made.unit} {period[0]}", end=period[1]) if period else made


def _dose(sentence: Sentence, amount: Amount, made: Quantity) -> Quantity | None:
    """A dose, or a strength: "10 mg in 5 ml". What is "of" something else than a medicine is none."""
    texts, end = sentence.texts, made.end
    has_medicine = bool(sentence.medicines)
    volume = sentence.amount_at(end + 1) if sentence.text(end) in ("in", "per", "to", "every", "for") else None
    if volume and made.unit in ("mg", "mcg", "g", "units"):
        match = UNITS.longest(texts, volume.end)
        if match and match[1][0].unit == "ml":
            return replace(made, value=f"{made.value}/{volume.value}", unit=f"{made.unit}/ml", end=match[0])
    if sentence.text(end) in ("refill", "left", "remaining", "spare") or texts[end : end + 2] == ["in", "size"]:
        return None
    if sentence.text(end) == "in" and BOXES & set(texts[end + 1 : end + 3]):  # "28 tablets in a box"
        return None
    if made.unit in ("ml", "litres") and not has_medicine and NOT_ALCOHOL - {"pop"} & set(texts) and not FEEDS & set(texts):
        return None
    thing = set(texts[end : end + 4])
    is_feed = made.unit == "ml" and FEEDS & thing
    if NOT_ALCOHOL & thing and made.unit in ("ml", "litres", "g", "spoonfuls", "teaspoons") and not is_feed:
        return None
    if made.unit == "l/min" or made.unit == "litres":
        if FLUIDS & set(texts) and made.unit == "litres":
            return made
        is_oxygen = bool(OXYGEN & set(texts)) or any(name.kind == "oxygen saturation" for _, _, name in sentence.names)
        is_oxygen = is_oxygen or sentence.text(amount.start - 1) == "on" and bool({"percent", "%"} & set(texts))
        return replace(made, unit="l/min") if is_oxygen and made.is_plausible else None
    counts = has_medicine or (bool(DOSED & set(texts)) or "times" in texts)
    is_close = any(0 <= amount.start - last < 4 or first == end for first, last, _ in sentence.medicines)
    if made.unit == "%" and not is_close:  # "lowers your risk by 30 %"
        return None
    if made.unit in ("g", "oz") and not has_medicine and (sentence.says(SMOKING) or ROLLING & set(texts)):
        return _tobacco(sentence, amount, replace(made, kind="tobacco"))
    if made.unit in SOFT_FORMS and (amount.vague or not (counts and made.is_plausible)):
        return None
    if amount.vague and amount.low == 1 and sentence.text(amount.start - 1) in ("start", "starting", "try", "trying", "add"):
        return None  # "we'll start a tablet"
    if made.unit == "g" and sentence.text(end) == "of" and not has_medicine:
        return None
    if amount.vague and not has_medicine and made.unit not in ("tablets", "mg", "g", "puffs", "capsules", "sachets", "ml"):
        return None
    return made


def _duration(sentence: Sentence, amount: Amount, made: Quantity) -> Quantity | None:
    """ "for two weeks", "three days ago"; "ten a day", "I'm forty years old" and "once a week" are no durations."""
    texts, end = sentence.texts, made.end
    after, before = sentence.text(end), texts[max(0, amount.start - 4) : amount.start]
    is_past = after in ("ago", "back", "earlier")
    is_ago = is_past or _is_when(sentence, amount, end)
    if amount.low == amount.high == 1 and texts[end : end + 2] == ["or", "two"]:  # "a day or two"
        is_ago = sentence.text(end + 2) == "ago"
        unit = f"{made.unit.rstrip('s')}s" + " ago" * is_ago
        return replace(made, value="1-2", unit=unit, end=end + 2 + is_ago)
    if amount.start == 0 and amount.low == amount.high == 1 and after in SUBJECTS:  # "one minute I'm fine"
        return None
    if before[-2:] == ["lasts", "me"] or before[-1:] in (["at"], ["until"], ["till"]):
        return None
    if after in ("old", "olds", "later", "apart", "beforehand", "afterwards") or texts[end : end + 2] == ["of", "age"]:
        return None
    if after in ("on", "off") and made.unit in ("days", "weeks") and end + 1 == len(texts):
        return None  # of shifts
    if before[-1:] == ["after"] and after != "of" and not is_ago:
        return None  # "then fifty after a fortnight"
    if after in ("after", "before", "into") and before[-1:] != ["for"] and not is_ago:
        return None  # "two days after I started it"
    is_sleep = made.unit in ("hours", "minutes") and sentence.says(SLEEP)
    if after in ("a", "per") and rate(texts, end) and not is_sleep:  # "seven days a week"
        return None
    if amount.vague and amount.low == 1 and made.unit != "fortnights":
        is_rate = bool(before) and (before[-1] in TIMES or before[-1] in OFTEN or UNITS.longest(texts, amount.start - 1))
        opened = bool(set(before[-2:]) & OPENERS) or is_ago or texts[end : end + 2] == ["or", "so"]
        is_rate = is_rate or "how" in texts and bool({"many", "much", "often"} & set(texts))  # "how many in a week?"
        is_rate = is_rate or any(other.end == amount.start - 1 for other in sentence.amounts)  # "eight cups a day"
        if not opened or before[-1:] == ["times"] or is_rate or any(a.end == amount.start for a in sentence.amounts):
            return None
    unit = made.unit.removesuffix("s") if amount.low == amount.high == 1 else made.unit
    return replace(made, unit=unit + " ago" * is_ago, end=end + is_past, is_plausible=True) if made.is_plausible else None


SUBJECTS = words_of("i'm i you he she it they we you're")
SLEEP = words_of("sleep sleeps sleeping slept asleep")
BEGINNING = words_of("started start began begun this that it came")
ROLLING = words_of("roll rolling baccy")
FEEDS = words_of("formula feed feeds milk breast ebm aptamil cow gate sma")
OPENERS = words_of("least part for since than over past last about around nearly almost within after in couple every")


def _is_when(sentence: Sentence, amount: Amount, end: int) -> bool:
    """ "It's been twenty years since I had it"; "When was your last one?" - "Must be twenty years."."""
    since = sentence.texts[end + 1 : end + 6] if sentence.text(end) == "since" else []
    before, asked = sentence.texts[: amount.start], set(sentence.asked)
    asks_when = {"when", "was", "last"} <= asked or "ago" in asked
    return asks_when and "for" not in before or "been" in before and bool(since) and not BEGINNING & set(since)
