"""Numbers with a meaning inside one sentence: what is measured, in which unit, and whether it can be true of a person.

A number counts only with a unit behind it, a name before it ("the CRP came back at 112"), or right behind a medicine
("naproxen 250 bd"). What stands in `value` is as said, in digits; nothing is converted.
"""

from collections.abc import Sequence
from dataclasses import replace

from medalign.concepts.bare_doses import dose_alone
from medalign.concepts.body import height_alone
from medalign.concepts.numbers import OFTEN
from medalign.concepts.readings import NAME_REACH, before_name, by_name, temperature_alone
from medalign.concepts.said_again import another_value, asked_for, corrects, said_again
from medalign.concepts.sentence import CHANGE, CHANGE_REACH, CHANGING, Amount, Quantity, Sentence, counted_from, stands_alone
from medalign.concepts.tokens import words_of
from medalign.concepts.unit_kinds import FORMS, with_unit
from medalign.concepts.units import DRINKING, SMOKING, UNITS, abbreviated, frequency, in_span, rate

OF_MANY = words_of("people patients women men times cases children adults of it's they it")
ROUTES = words_of("iv im subcut sc po orally topically inhaled subcutaneously intramuscularly intravenously thinly")
GOING = words_of("go going goes went come coming move moving step take put put push bring drop")
PRONOUNS = words_of("that it this them")
KINDS_OF = words_of("more bad big full further separate or so of these those different small proper")
VITAL_TIMES = {"breathing": "respiratory rate", "breathes": "respiratory rate", "heart": "pulse", "pulse": "pulse"}
MOST_COUNTED = 60
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
            or height_alone(sentence, amount)
            or by_name(sentence, amount)
            or with_unit(sentence, amount)
            or before_name(sentence, amount)
            or another_value(sentence, amount)
            or asked_for(sentence, amount)
            or temperature_alone(sentence, amount)
            or (said_again(sentence, found, amount) if found and found[-1].unit in FORMS else None)
            or dose_alone(sentence, amount)
            or said_again(sentence, found, amount)
        )
        if quantity:
            if found and corrects(sentence, found[-1], quantity):
                found.pop()
            found.append(quantity)
            reached = quantity.end
    found = [quantity for quantity in found if not _is_window(sentence, quantity, found)]
    return _changes(sentence, sorted([*found, *_abbreviations(sentence, found)], key=lambda quantity: quantity.start))


def _is_window(sentence: Sentence, quantity: Quantity, found: Sequence[Quantity]) -> bool:
    """ "Three infections in the past six months": a time in which something was counted has not lasted."""
    before = sentence.texts[max(0, quantity.start - 3) : quantity.start]
    is_past = before[-1:] in (["past"], ["last"]) and bool({"in", "over", "within", "during"} & set(before))
    read = {at for other in found for at in range(other.start, other.end)}
    counts = [a for a in sentence.amounts if a.end < quantity.start and not a.vague and a.start not in read]
    return quantity.kind == "duration" and is_past and bool(counts)


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
    is_alone = stands_alone(sentence, amount) and not UNITS.longest(sentence.texts, amount.end)
    is_score = (is_scored or answers) and is_alone
    return Quantity("pain score", amount.value, "/10", amount.start, amount.end) if is_score else None


def _strength(sentence: Sentence, amount: Amount, following: Amount | None) -> Quantity | None:
    """ "the 250 in 5 ml suspension": milligrams."""
    if following is None or amount.vague or sentence.texts[amount.end : following.start] not in (["in"], ["per"]):
        return None
    match = UNITS.longest(sentence.texts, following.end)
    if match is None or match[1][0].unit != "ml" or amount.low != amount.high:
        return None
    return Quantity("dose", f"{amount.value}/{following.value}", "mg/ml", amount.start, match[0])


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
    if not amount.vague and (named := _counted(sentence, amount)):
        return named
    counted = counted_from(sentence.texts, amount.end)
    is_times = counted is not None and sentence.text(counted) == "times"
    is_vague = amount.vague and sentence.text(amount.start - 1) != "every" and not is_times
    read = None if is_vague else frequency(sentence.texts, amount.value, amount.start, amount.end)
    if read and read[1] == "a minute" and (of := VITAL_TIMES.keys() & set(sentence.texts)):
        return Quantity(VITAL_TIMES[min(of)], read[0], "/min", amount.start, read[2])
    return Quantity("frequency", read[0], read[1], amount.start, read[2]) if read else None


def _counted(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "Three fits this year", "two more bad headaches a week": how often what is named comes."""
    at = amount.end
    while sentence.text(at) in KINDS_OF:
        at += 1
    end = next((end for start, end in sentence.complaints if start == at), None)
    period = (in_span(sentence.texts, end) or rate(sentence.texts, end)) if end and amount.high <= MOST_COUNTED else None
    if not (end or sentence.medicines or sentence.names or (SMOKING | DRINKING) & set(sentence.texts)) and sentence.complaints:
        period = rate(sentence.texts, amount.end)  # "the hot flushes, about a dozen a day"
    is_whole = amount.low.is_integer() and sentence.texts[amount.start] not in OFTEN
    return Quantity("frequency", amount.value, period[0], amount.start, amount.end) if period and is_whole else None


def _changed_dose(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "We'll double that to a hundred": the dose of the sentence before changes."""
    before = sentence.texts[max(0, amount.start - CHANGE_REACH) : amount.start]
    is_opened = before[-1:] == ["to"] or before[-2:] == ["made", "it"]
    if sentence.dose is None or sentence.medicines or not is_opened or amount.vague or amount.low != amount.high:
        return None
    match = UNITS.longest(sentence.texts, amount.end)
    units = {unit.unit for unit in match[1]} if match else {sentence.dose[1]}
    is_same = sentence.dose[1] in units and amount.value != sentence.dose[0]
    goes = before[-2:-1] in (["up"], ["down"]) and GOING & set(before) and stands_alone(sentence, amount)
    if not (is_same and (goes or CHANGING & set(before) and PRONOUNS & set(before))):
        return None
    value = f"{sentence.dose[0]}{CHANGE}{amount.value}"
    return Quantity("dose", value, sentence.dose[1], amount.start, match[0] if match else amount.end)


def _abbreviations(sentence: Sentence, found: Sequence[Quantity]) -> list[Quantity]:
    """bd, tds, "daily" and "a day" behind a dose or a medicine; "every other day"."""
    taken = {at for quantity in found for at in range(quantity.start, quantity.end)}
    doses = {quantity.end for quantity in found if quantity.kind == "dose" and "/" not in quantity.unit}
    doses |= {end + 1 for end in doses if sentence.text(end) in ROUTES}
    doses |= {end for start, end, _ in sentence.medicines if start in doses}  # "six codeine a day"
    behind = doses | {end for _, end, _ in sentence.medicines}
    made: list[Quantity] = []
    if "how" in sentence.texts and {"often", "many", "much"} & set(sentence.texts):
        return made  # "How often each day?" asks
    for at, text in enumerate(sentence.texts):
        period = rate(sentence.texts, at) if at in behind and text != "at" else None
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
        if last and last.kind == quantity.kind == "frequency" and quantity.start == last.end and quantity.value == "1":
            continue  # "four times a day, every day"
        if last and (last.kind, last.unit) == (quantity.kind, quantity.unit) and last.value != quantity.value:
            between = sentence.texts[last.end : quantity.start]
            sign = "-" if quantity.kind in SPREAD else CHANGE
            is_plain = CHANGE not in last.value + quantity.value and "-" not in last.value + quantity.value
            if is_plain and sign == CHANGE and between in (["down", "from"], ["up", "from"], ["from"]):
                made[-1] = replace(last, value=f"{quantity.value}{sign}{last.value}", end=quantity.end)
                continue
            if is_plain and between in (["to"], ["down", "to"], ["up", "to"]):
                made[-1] = replace(last, value=f"{last.value}{sign}{quantity.value}", end=quantity.end)
                continue
        made.append(quantity)
    return made
