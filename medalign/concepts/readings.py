"""Numbers with the name of what is measured: "the CRP came back at 112", "38.4 on the thermometer"."""

import re
from collections.abc import Sequence
from dataclasses import replace

from medalign.concepts.body import THINGS
from medalign.concepts.numbers import OFTEN
from medalign.concepts.sentence import Amount, Quantity, Sentence, stands_alone
from medalign.concepts.tokens import word_list, words_of
from medalign.concepts.units import LINKS, PER, PERIODS, TIMES, UNITS, Name

FEVER_FROM = {"°C": 37.5, "°F": 99.5}
NAME_REACH = 8  # pieces between a name ("my temperature was about") and its number
AGAIN_REACH = 20  # the same, where another number of the name stands between
AGAIN = word_list("readings.again")
GUESSED = 5  # where the unit is said, values count that would be taken for another unit otherwise: "sugar 52 mg/dl"
BEYOND = {"less": "<", "under": "<", "below": "<", "more": ">", "greater": ">", "over": ">", "above": ">"}
AIMS = word_list("readings.aims")
TELLING = word_list("readings.telling")
BEFORE_TEMPERATURE = word_list("readings.before_temperature")
NEARLY = words_of("about around roughly only nearly almost just")
COUNTED = words_of("steps calories miles kilometres reps lengths flights people patients children kids stitches")
MOST_WHOLE = 40  # before a point that is left out
ALIKE = 3.0  # two values of one thing differ by no more than this factor
TAKEN_UP = tuple(word_list("readings.taken_up"))


def is_normal_temperature(quantity: Quantity) -> bool:
    """Whether a temperature is no fever: below 37.5 °C; false for a range or a change that reaches it."""
    highest = max(float(value) for value in re.findall(r"[\d.]+", quantity.value))
    return quantity.is_plausible and highest < FEVER_FROM[quantity.unit]


def by_name(sentence: Sentence, amount: Amount) -> Quantity | None:
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
    is_again = set(since.split()) <= AGAIN or since.endswith(TAKEN_UP) or _is_again(sentence, amount, name, others)
    if others and (since.endswith("on") or not is_again) or len(between) > (AGAIN_REACH if others else NAME_REACH):
        return None
    is_parted = any(p.pause and p.pause[-1] in ".?!;" for p in sentence.pieces[end - 1 : amount.start - 1])
    if is_parted or sentence.text(amount.end) in COUNTED:
        return None
    is_near = set(between) <= LINKS | BEYOND.keys() | {"than"}
    if not (is_near or others or stands_alone(sentence, amount) or UNITS.longest(sentence.texts, amount.end)):
        return None
    return reading(sentence, _spoken_decimal(sentence, amount, name), name, is_near=not others and is_near)


def _is_again(sentence: Sentence, amount: Amount, name: Name, others: Sequence[int]) -> bool:
    """Whether a number that stands alone is one more value of what was named: "but mum says thirty nine at home"."""
    first = next((other for other in sentence.amounts if others and other.end == others[0]), amount)
    holds = next((r for r in name.readings if r.low <= first.low and first.high <= r.high), None)
    is_alike = holds and holds.low <= amount.low and amount.high <= holds.high and amount.value != first.value
    is_alike = is_alike and 1 / ALIKE < amount.high / first.high < ALIKE if is_alike and first.high > 0 else False
    said = sentence.texts[max(0, amount.start - 2) : amount.start]
    parted = {"after", "before", "then"} & set(sentence.texts[max(others, default=0) : amount.start])
    is_told = bool(parted) or bool(said) and (said[-1] in TELLING or said[-1] in NEARLY and said[0] in TELLING)
    return name.group != "score" and is_alike and is_told and stands_alone(sentence, amount)


def _spoken_decimal(sentence: Sentence, amount: Amount, name: Name) -> Amount:
    """ "Potassium's four eight": the point is left out, where the value then is one of the test's."""
    rest = sentence.amount_at(amount.end)
    most = FEVER_FROM["°F"] + 10 if name.kind == "temperature" else MOST_WHOLE
    is_pair = rest and rest.low == rest.high < 10 and amount.low == amount.high <= most and rest.high.is_integer()
    if not (rest and is_pair and amount.low.is_integer()) or sentence.pieces[amount.end - 1].pause or rest.vague:
        return amount
    value = amount.low + rest.low / 10
    has_decimals = name.group == "laboratory" or name.kind == "temperature"  # "thirty-seven four", "A1c seven two"
    is_true = has_decimals and any(r.low <= value <= r.high for r in name.readings)
    is_plain = UNITS.longest(sentence.texts, rest.end) is None and sentence.text(rest.end) != "times"
    return Amount(f"{value:g}", value, value, amount.start, rest.end) if is_true and is_plain else amount


def before_name(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "22 out of 30 on the MMSE", "38.4 on the thermometer", "58 for your HbA1c"."""
    at = amount.end + 3 if sentence.text(amount.end) == "out" else amount.end
    skipped = at
    while sentence.text(skipped) in ("on", "for", "by", "the", "your", "her", "his", "my", "ear") and skipped - at < 3:
        skipped += 1
    name = next((name for start, _, name in sentence.names if start == skipped), None)
    is_tall = sentence.text(at) == "tall"
    if name is None or not (sentence.text(at) in ("on", "for", "by") or is_tall) or amount.vague:
        return None
    return reading(sentence, amount, name, is_near=False)


def reading(sentence: Sentence, amount: Amount, name: Name, is_near: bool) -> Quantity | None:
    """The number as a value of what is named; None if its unit is another's or its value too odd to be meant."""
    match = UNITS.longest(sentence.texts, amount.end)
    end, units = match or (amount.end, [])
    if name.kind == "height" and match and sentence.amount_at(end):
        return None  # "one metre sixty two"
    said = {unit.unit for unit in units}
    after, then = sentence.text(amount.end), sentence.text(amount.end + 1)
    is_span = after == "over" and sentence.text(amount.end + 2) in TIMES  # "over three days"
    is_period = then in PERIODS.keys() | TIMES.keys() | {"minute", "bit"} and not sentence.pieces[amount.end - 1].pause
    is_other = after in PER and is_period or after in ("times", "over", "out", "percent")
    if is_other and not is_span and not match and name.group != "score":
        return None
    readings = name.readings
    if match:
        # A unit may be said in part: "7.9 grams" of grams per decilitre.
        starts = tuple(f"{unit}/" for unit in said)
        readings = tuple(r for r in readings if r.unit in said or r.unit.startswith(starts) or "°" in said and "°" in r.unit)
        if not readings or sentence.text(end) in ("ago", "old"):
            return None
    elif name.group == "score" and sentence.text(amount.end) == "out":
        end = amount.end + 3
    if sentence.text(end - 1) == "degrees" and sentence.text(end) in ("celsius", "centigrade", "c"):
        end += 1
    if readings[0].low < 0 and sentence.text(amount.start - 1) in ("minus", "negative"):
        amount = replace(amount, value=f"-{amount.value}", start=amount.start - 1)
    if name.group == "laboratory":
        amount = _with_limit(sentence, amount)
    for reading in readings:
        low = reading.low / GUESSED if reading.unit in said and reading.low > 0 and name.group == "laboratory" else reading.low
        if low <= amount.low and amount.high <= reading.high:
            return Quantity(name.kind, amount.value, reading.unit, amount.start, end)
    is_medicine = any(start < amount.start and sentence.texts[start:end] for start, end, _ in sentence.medicines)
    odd = is_near and not is_medicine and amount.high > 0 and not amount.is_change and name.kind != "blood pressure"
    return Quantity(name.kind, amount.value, readings[0].unit, amount.start, end, False) if odd else None


def _with_limit(sentence: Sentence, amount: Amount) -> Amount:
    """ "The troponin was less than 5", "an eGFR above ninety": what the test shows, and no aim."""
    before = sentence.texts[max(0, amount.start - NAME_REACH) : amount.start]
    than = before[-1:] == ["than"]
    sign = BEYOND.get(before[-1 - than] if len(before) > than else "")
    if sign is None or AIMS & set(before) or amount.low != amount.high:
        return amount
    return replace(amount, value=sign + amount.value, start=amount.start - 1 - than)


def temperature_alone(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "He was thirty eight point four": one decimal, and no other thing that has such values is named."""
    whole, _, decimals = amount.value.partition(".")
    is_counted = sentence.text(amount.end) in TIMES or UNITS.longest(sentence.texts, amount.end) is not None
    if is_counted or sentence.medicines or any(name.kind != "temperature" for _, _, name in sentence.names):
        return None
    if len(decimals) != 1 or amount.low != amount.high:
        return None
    is_answer = amount.start <= 2 and bool(sentence.asked)
    is_read_off = amount.start > 0 and bool(sentence.pieces[amount.start - 1].pause) and amount.end == len(sentence.texts)
    is_answer = is_answer or is_read_off  # "Right, let's see, thirty seven point one."
    before = sentence.texts[max(0, amount.start - 3) : amount.start]
    if not is_answer and not set(before) & BEFORE_TEMPERATURE:
        return None
    unit = "°C" if 35 <= float(whole) < 43 else "°F" if 96 <= float(whole) < 108 else None
    return Quantity("temperature", amount.value, unit, amount.start, amount.end) if unit else None
