"""Numbers with a meaning inside one sentence: what is measured, in which unit, and whether it can be true of a person.

A number counts only with a unit behind it, a name before it ("the CRP came back at 112"), or right behind a medicine
("naproxen 250 bd"). What stands in `value` is as said, in digits; nothing is converted.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from medalign.concepts.amounts import CHANGE, CHANGE_REACH, CHANGING, Amount
from medalign.concepts.frequencies import abbreviated, frequency, rate
from medalign.concepts.numbers import OFTEN
from medalign.concepts.said_again import corrects, said_again, stands_alone
from medalign.concepts.sentence import Quantity, Sentence, counted_from, named
from medalign.concepts.tokens import words_of
from medalign.concepts.unit_kinds import FORMS, THINGS, dose_alone, with_unit
from medalign.concepts.units import DRINKING, LINKS, PER, SMOKING, TIMES, UNITS, Name

SHORT_ANSWER = 4  # pieces of an answer that is little more than a number
NAME_REACH = 8  # pieces between a name ("my temperature was about") and its number
AGAIN_REACH = 20  # the same, where another number of the name stands between
OF_MANY = words_of("people patients women men times cases children adults of it's they it")
ROUTES = words_of("iv im subcut sc po orally topically inhaled subcutaneously intramuscularly intravenously thinly")
TAKEN_UP = (
    "it been",
    "it now",
    "that now",
    "it's been",
    "it was",
    "it's",
    "used to be",
    "and now",
    "is now",
    "it's now",
    "up to",
    "down to",
    "then",
    "repeat was",
)
FEVER_FROM = {"°C": 37.5, "°F": 99.5}
AGAIN = words_of(
    "and then now to about but today yesterday repeat repeated is was it that it's % degrees bpm last week night the hours "
    "hour minutes minute used be been from before up down again a gone come went came second this morning earlier year"
)
PRONOUNS = words_of("that it this them")
SPREAD = ("duration", "frequency")  # two values are a range, not a change
SYSTOLIC, DIASTOLIC = (60, 280), (30, 170)  # mmHg


def find_quantities(sentence: Sentence) -> list[Quantity]:
    """All quantities of a sentence in order; no two share a piece."""
    found: list[Quantity] = []
    reached = 0
    for at, amount in enumerate(sentence.amounts):
        if amount.start < reached:
            continue
        following = sentence.amounts[at + 1] if at + 1 < len(sentence.amounts) else None
        quantity = (
            _blood_pressure(sentence, amount, following)
            or _out_of_ten(sentence, amount)
            or _how_often(sentence, amount)
            or _strength(sentence, amount, following)
            or _changed_dose(sentence, amount)
            or _gestation(sentence, amount, following)
            or _by_name(sentence, amount)
            or with_unit(sentence, amount)
            or _before_name(sentence, amount)
            or _asked_for(sentence, amount)
            or _temperature_alone(sentence, amount)
            or (said_again(sentence, found, amount) if found and found[-1].unit in FORMS else None)
            or dose_alone(sentence, amount)
            or (said_again(sentence, found, amount))
        )
        if quantity:
            if found and corrects(sentence, found[-1], quantity):
                found.pop()
            found.append(quantity)
            reached = quantity.end
    return _changes(sentence, sorted([*found, *_abbreviations(sentence, found)], key=lambda quantity: quantity.start))


def is_normal_temperature(quantity: Quantity) -> bool:
    """Whether a temperature is no fever: below 37.5 °C; false for a range or a change that reaches it."""
    highest = max(float(value) for value in re.findall(r"[\d.]+", quantity.value))
    return quantity.is_plausible and highest < FEVER_FROM[quantity.unit]


def _blood_pressure(sentence: Sentence, amount: Amount, following: Amount | None) -> Quantity | None:
    if following is None or sentence.texts[amount.end : following.start] not in (["over"], ["on"], ["upon"]):
        return None
    if amount.low != amount.high or following.low != following.high or not amount.low.is_integer():
        return None
    is_true = SYSTOLIC[0] <= amount.low <= SYSTOLIC[1] and DIASTOLIC[0] <= following.low <= DIASTOLIC[1] < 1000
    is_true = is_true and amount.low > following.low
    is_named = any(name.kind == "blood pressure" for _, _, name in sentence.names)
    if not is_true and not (is_named and sentence.text(amount.end) == "over"):
        return None
    end = following.end + (sentence.text(following.end) == "mmhg")
    return Quantity("blood pressure", f"{amount.value}/{following.value}", "mmHg", amount.start, end, is_true)


def _out_of_ten(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "seven out of ten"; "a GCS of 15 out of 15" is read by its name."""
    after = sentence.texts[amount.end : amount.end + 3]
    scores = [end for _, end, name in sentence.names if name.group == "score" and end <= amount.start]
    if scores and not any(scores[-1] <= other.start < amount.start for other in sentence.amounts):
        return None
    if amount.high > 10 or amount.vague:
        return None
    if after in (["out", "of", "10"], ["out", "of", "ten"]) and sentence.text(amount.end + 3) not in OF_MANY:
        return Quantity("pain score", amount.value, "/10", amount.start, amount.end + 3)
    rated = {"pain", "out"} & set(sentence.texts)
    is_scored = sentence.text(amount.start - 1) in ("a", "an") and rated  # "the pain's about an eight"
    answers = sentence.scale and amount.start <= NAME_REACH and not sentence.names
    return (
        Quantity("pain score", amount.value, "/10", amount.start, amount.end)
        if ((is_scored or answers) and stands_alone(sentence, amount) and not UNITS.longest(sentence.texts, amount.end))
        else None
    )


def _strength(sentence: Sentence, amount: Amount, following: Amount | None) -> Quantity | None:
    """ "the 250 in 5 ml suspension": milligrams."""
    if following is None or amount.vague or sentence.texts[amount.end : following.start] not in (["in"], ["per"]):
        return None
    match = UNITS.longest(sentence.texts, following.end)
    is_volume = match is not None and match[1][0].unit == "ml" and amount.low == amount.high
    return (
        Quantity("dose", f"{amount.value}/{following.value}", "mg/ml", amount.start, match[0]) if match and is_volume else None
    )


def _gestation(sentence: Sentence, amount: Amount, following: Amount | None) -> Quantity | None:
    """ "thirty four plus two", "28 weeks and 3 days": weeks and days of a pregnancy."""
    if following is None or not (4 <= amount.low == amount.high <= 42 and following.low == following.high < 7):
        return None
    between, after = sentence.texts[amount.end : following.start], sentence.text(following.end)
    is_days = after in ("day", "days")
    if between in (["plus"], ["weeks", "plus"]) or between in (["weeks", "and"], ["weeks"]) and is_days:
        value = f"{amount.value}+{following.value}"
        return Quantity("duration", value, "weeks", amount.start, following.end + is_days)
    return None


def _how_often(sentence: Sentence, amount: Amount) -> Quantity | None:
    counted = counted_from(sentence.texts, amount.end)
    is_vague = (
        amount.vague and sentence.text(amount.start - 1) != "every" and (counted is None or sentence.text(counted) != "times")
    )
    read = None if is_vague else frequency(sentence.texts, amount.value, amount.start, amount.end)
    return Quantity("frequency", read[0], read[1], amount.start, read[2]) if read else None


def _by_name(sentence: Sentence, amount: Amount) -> Quantity | None:
    """A number behind the name of what is measured, with the name's unit or none."""
    near = [(start, end, name) for start, end, name in sentence.names if end <= amount.start]
    if not near or amount.vague or sentence.texts[amount.start] in OFTEN:
        return None
    start, end, name = near[-1]
    if name.kind == "weight" and THINGS & set(sentence.texts):
        return None
    between = sentence.texts[end : amount.start]
    others = [other.end for other in sentence.amounts if end <= other.start < amount.start]
    since = " ".join(sentence.texts[others[-1] : amount.start]) if others else ""
    if others and not (set(since.split()) <= AGAIN or since.endswith(TAKEN_UP)):
        return None
    if len(between) > (AGAIN_REACH if others else NAME_REACH):
        return None
    if any(p.pause and p.pause[-1] in ".?!;" for p in sentence.pieces[end - 1 : amount.start - 1]):
        return None
    is_near = set(between) <= LINKS
    if not (is_near or others or stands_alone(sentence, amount) or UNITS.longest(sentence.texts, amount.end)):
        return None
    return _reading(sentence, amount, name, is_near=not others and is_near)


def _before_name(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "22 out of 30 on the MMSE", "38.4 on the thermometer", "58 for your HbA1c"."""
    at = amount.end + 3 if sentence.text(amount.end) == "out" else amount.end
    skipped = at
    while sentence.text(skipped) in ("on", "for", "by", "the", "your", "her", "his", "my", "ear") and skipped - at < 3:
        skipped += 1
    name = next((name for start, _, name in sentence.names if start == skipped), None)
    is_tall = sentence.text(at) == "tall"
    if name is None or not (sentence.text(at) in ("on", "for", "by") or is_tall) or amount.vague:
        return None
    return _reading(sentence, amount, name, is_near=False)


def _reading(sentence: Sentence, amount: Amount, name: Name, is_near: bool) -> Quantity | None:
    """The number as a value of what is named; None if its unit is another's or its value too odd to be meant."""
    match = UNITS.longest(sentence.texts, amount.end)
    end, units = match or (amount.end, [])
    said = {unit.unit for unit in units}
    if sentence.text(amount.end) in PER | words_of("times over out percent") and not match and name.group != "score":
        return None
    readings = name.readings
    if match:
        readings = tuple(reading for reading in readings if any(_is_said(unit, reading.unit) for unit in said))
        if not readings or sentence.text(end) in ("ago", "old"):
            return None
    elif name.group == "score" and sentence.text(amount.end) == "out":
        end = amount.end + 3
    if sentence.text(end - 1) == "degrees" and sentence.text(end) in ("celsius", "centigrade", "c"):
        end += 1
    if readings[0].low < 0 and sentence.text(amount.start - 1) in ("minus", "negative"):
        amount = replace(amount, value=f"-{amount.value}", start=amount.start - 1)
    for reading in readings:
        if reading.low <= amount.low and amount.high <= reading.high:
            return Quantity(name.kind, amount.value, reading.unit, amount.start, end)
    odd = is_near and amount.high > 0 and not amount.is_change and name.kind != "blood pressure"
    return Quantity(name.kind, amount.value, readings[0].unit, amount.start, end, False) if odd else None


def _is_said(said: str, unit: str) -> bool:
    """Whether a unit is said, also in part: "7.9 grams" of grams per decilitre."""
    return said == unit or unit.startswith(f"{said}/") or said == "°" and "°" in unit


def _changed_dose(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "We'll double that to a hundred": the dose of the sentence before changes."""
    before = sentence.texts[max(0, amount.start - CHANGE_REACH) : amount.start]
    if sentence.dose is None or sentence.medicines or before[-1:] != ["to"] or amount.vague or amount.low != amount.high:
        return None
    match = UNITS.longest(sentence.texts, amount.end)
    units = {unit.unit for unit in match[1]} if match else {sentence.dose[1]}
    is_same = sentence.dose[1] in units and amount.value != sentence.dose[0]
    if not (is_same and CHANGING & set(before) and PRONOUNS & set(before)):
        return None
    value = f"{sentence.dose[0]}{CHANGE}{amount.value}"
    return Quantity("dose", value, sentence.dose[1], amount.start, match[0] if match else amount.end)


def _asked_for(sentence: Sentence, amount: Amount) -> Quantity | None:
    """A number alone that answers a question: "How much do you smoke?" - "About 20 a day."."""
    if amount.vague or sentence.text(amount.end) in TIMES or sentence.texts[amount.start] in OFTEN:
        return None
    end = amount.end + 2 * (sentence.texts[amount.end : amount.end + 2] == ["or", "so"])
    period = rate(sentence.texts, end)
    is_count = "many" in sentence.asked and len(sentence.texts) <= SHORT_ANSWER
    habit = _habit(sentence, amount.start <= NAME_REACH)
    if habit and amount.high <= 120 and (period or is_count):
        asked = next((found for at in range(len(sentence.asked)) if (found := rate(sentence.asked, at))), None)
        often = period or asked
        unit = f"{habit[1]} {often[0]}" if often else habit[1]
        return Quantity(habit[0], amount.value, unit, amount.start, period[1] if period else amount.end)
    if amount.start > NAME_REACH or period or sentence.names:
        return None
    names = named(sentence.asked)
    return _reading(sentence, amount, names[-1][2], is_near=False) if names else None


def _habit(sentence: Sentence, is_answer: bool) -> tuple[str, str] | None:
    """What is counted in "twenty a day" where smoking or drinking is spoken of, as kind and unit."""
    if sentence.says(SMOKING):
        return "tobacco", "cigarettes"
    measures = [unit for unit in ("units", "pints", "glasses", "bottles", "cans") if unit in sentence.asked]
    drinks = is_answer and measures and (DRINKING & set(sentence.asked) or "units" in measures and "week" in sentence.asked)
    return ("alcohol", measures[0]) if drinks else None


def _temperature_alone(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "He was thirty eight point four": one decimal, and no other thing that has such values is named."""
    whole, _, decimals = amount.value.partition(".")
    is_alone = (
        all(name.kind == "temperature" for _, _, name in sentence.names)
        and sentence.text(amount.end) not in TIMES
        and UNITS.longest(sentence.texts, amount.end) is None
    )
    if not (is_alone and len(decimals) == 1 and amount.low == amount.high) or sentence.medicines:
        return None
    is_answer = amount.start <= 2 and bool(sentence.asked)
    before = sentence.texts[max(0, amount.start - 3) : amount.start]
    if not is_answer and not set(before) & words_of(
        "was is it's it he she that reading reads hit up to at got been says running has had of"
    ):
        return None
    unit = "°C" if 35 <= float(whole) < 43 else "°F" if 96 <= float(whole) < 108 else None
    return Quantity("temperature", amount.value, unit, amount.start, amount.end) if unit else None


def _abbreviations(sentence: Sentence, found: Sequence[Quantity]) -> list[Quantity]:
    """bd, tds, "daily" and "a day" behind a dose or a medicine; "every other day"."""
    taken = {at for quantity in found for at in range(quantity.start, quantity.end)}
    doses = {quantity.end for quantity in found if quantity.kind == "dose" and "/" not in quantity.unit}
    doses |= {end + 1 for end in doses if sentence.text(end) in ROUTES}
    behind = doses | {end for _, end, _ in sentence.medicines}
    made = []
    for at, text in enumerate(sentence.texts):
        period = rate(sentence.texts, at) if at in behind else None
        read = ("1", *period) if period and (at in doses or text.endswith("ly")) else abbreviated(sentence.texts, at)
        if at not in taken and read and (behind or read[0] == "every 2" or read[1] == "an hour"):
            made.append(Quantity("frequency", read[0], read[1], at, read[2]))
    return made


def _changes(sentence: Sentence, found: list[Quantity]) -> list[Quantity]:
    """ "from 5 mg to 4.5 mg" is one quantity that changes; "two days, maybe three days" is one, too."""
    made: list[Quantity] = []
    for quantity in found:
        if quantity.kind in SPREAD:  # "going six to eight times a day"
            quantity = replace(quantity, value=quantity.value.replace(CHANGE, "-"))
        last = made[-1] if made else None
        if last and (last.kind, last.unit) == (quantity.kind, quantity.unit) and last.value != quantity.value:
            between = sentence.texts[last.end : quantity.start]
            sign = "-" if quantity.kind in SPREAD else CHANGE
            is_plain = CHANGE not in last.value + quantity.value and "-" not in last.value + quantity.value
            if is_plain and between in (["to"], ["down", "to"], ["up", "to"]):
                made[-1] = replace(last, value=f"{last.value}{sign}{quantity.value}", end=quantity.end)
                continue
        made.append(quantity)
    return made
