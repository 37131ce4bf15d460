"""Numbers that lean on what was said before: "12 units in the morning and 16 at night", "10, sorry, 50", or a question."""

import re
from collections.abc import Sequence
from dataclasses import replace

from medalign.concepts.bare_doses import MOST_TABLETS, bare_unit
from medalign.concepts.numbers import OFTEN
from medalign.concepts.readings import NAME_REACH, reading
from medalign.concepts.sentence import CHANGE, CORRECTING, WITH_CORRECTION, Amount, Quantity, Sentence, named, stands_alone
from medalign.concepts.tokens import word_list, words_of
from medalign.concepts.units import DRINKING, LABORATORY, SMOKING, TIMES, UNITS, rate

GOES_ON = word_list("said_again.goes_on")
MAYBE = words_of("maybe or perhaps possibly sometimes even occasionally probably")
OF = words_of("of the my your his her oral")
MEASURED = LABORATORY | {"temperature", "pulse", "respiratory rate", "oxygen saturation", "peak flow"}
MEASURED_FACTOR = 3.0
WHEN = ("long", "when", "often", "times", "many")  # questions for no dose
BRIEF_ANSWER = 6  # the same, with a "no" or "more like" before it
SHORT_ANSWER = 4  # pieces of an answer that is little more than a number
FACTOR = 12.0  # doses of one medicine in one sentence seldom differ by more


def corrects(sentence: Sentence, last: Quantity, quantity: Quantity) -> bool:
    """Whether a quantity takes the place of the one before: "ten milligrams, sorry, fifty milligrams"."""
    if quantity.kind != last.kind:
        return False
    is_range = quantity.value.startswith(f"{last.value}-") and quantity.start == last.start
    if is_range or quantity.value.startswith(last.value + CHANGE) or quantity.value.endswith(CHANGE + last.value):
        return True
    named = {at for start, end, _ in sentence.medicines for at in range(start, end)}
    between = [sentence.texts[at] for at in range(last.end, quantity.start) if at not in named]
    is_close = set(between) <= CORRECTING | WITH_CORRECTION and bool(set(between) & CORRECTING)
    # "A bottle most evenings, well, maybe four a week".
    return is_close or between[:1] in (["most"], ["every"]) and "well" in between


def said_again(sentence: Sentence, found: Sequence[Quantity], amount: Amount) -> Quantity | None:
    """The number alone as one more value of what was measured before."""
    if found and (spread := _or_more(sentence, found[-1], amount)):
        return spread
    last = next((quantity for quantity in reversed(found) if quantity.kind not in ("duration", "frequency")), None)
    if last is None:
        return None
    texts, before = sentence.texts, sentence.text(amount.start - 1)
    if amount.vague or amount.is_change or texts[amount.start] in ("once", "twice") or not last.is_plausible:
        return None
    if "maximum" in texts[max(0, amount.start - 2) : amount.start]:
        return None
    period = rate(texts, amount.end)
    is_counted = period and texts[amount.end] not in ("on", "at") and before not in ("by", "than") and amount.high <= 12
    if period and is_counted and last.kind == "dose":  # "one sachet, but I have three a day"
        return Quantity("frequency", amount.value, period[0], amount.start, period[1])
    if period and last.kind in ("alcohol", "tobacco"):  # "two beers a night, three at the weekend"
        unit = re.sub(r" (a|an) \w+$", "", last.unit)
        return Quantity(last.kind, amount.value, f"{unit} {period[0]}", amount.start, period[1])
    if not stands_alone(sentence, amount) or UNITS.longest(texts, amount.end) or before in TIMES or "/" in last.value:
        return None
    between = texts[last.end : amount.start]
    again = Quantity(last.kind, amount.value, last.unit, amount.start, amount.end)
    if corrects(sentence, last, again):
        return again
    if last.kind in ("dose", "tobacco", "alcohol") and between and between[-1] == "from" and len(between) <= 2:
        return replace(last, value=f"{amount.value}{CHANGE}{last.value}", end=amount.end)
    if between == ["to"] and sentence.text(last.start - 1) == "from" and amount.value != last.value:
        return replace(last, value=f"{last.value}{CHANGE}{amount.value}", end=amount.end)
    opened = before in GOES_ON or amount.start > 0 and bool(sentence.pieces[amount.start - 1].pause)
    if last.kind == "pain score":
        return again if amount.high <= 10 and opened else None
    near = texts[amount.start - 2] if before in ("nearer", "about", "nearly", "over", "under", "more") else before
    is_now = texts[amount.end : amount.end + 1] in (["now"], ["today"]) or not amount.low.is_integer()
    is_body = near in ("he", "she") and is_now or texts[amount.start - 2 : amount.start] in (["you", "were"], ["i", "was"])
    is_body = last.kind == "weight" and (is_body or near in ("i'm", "you're", "he's", "she's", "now", "down", "up"))
    if is_body or last.kind in MEASURED and before in ("and", "then"):
        first = float(re.split(f"[-{CHANGE} ]", last.value.lstrip("<>"))[0])
        is_alike = 1 / MEASURED_FACTOR < amount.high / first < MEASURED_FACTOR or before in ("down", "up")
        return again if is_alike else None
    return _dose_again(sentence, last, again, amount) if last.kind == "dose" and opened else None


def _dose_again(sentence: Sentence, last: Quantity, again: Quantity, amount: Amount) -> Quantity | None:
    """ "12 units in the morning and 16 at night", "40 mg, two in the morning", "it was 5 mg, put it up to 10"."""
    texts, before, between = sentence.texts, sentence.text(amount.start - 1), sentence.texts[last.end : amount.start]
    others = any(last.end <= at and not set(texts[last.end : at]) <= OF for at, _, _ in sentence.medicines)
    is_count = last.unit in ("mg", "mcg") and amount.high <= 4 and sentence.text(amount.end) in ("in", "at", "with")
    if is_count and not others and amount.high * FACTOR < float(last.value.split("-")[0]):
        return replace(again, unit="tablets")  # "40 mg, two in the morning"
    low, high = amount.low * FACTOR, amount.high / FACTOR
    size = max(float(part) for part in last.value.replace(CHANGE, "-").split("-") if part)
    if others or not high <= size <= low or sentence.names or before in ("at", "by"):
        return None
    is_raised = before == "to" and {"it", "that", "this"} & set(between) and last.value.replace(".", "").isdigit()
    return replace(last, value=f"{last.value}{CHANGE}{amount.value}", end=amount.end) if is_raised else again


def _or_more(sentence: Sentence, last: Quantity, amount: Amount) -> Quantity | None:
    """ "Three weeks ago, maybe four", "twice a month, sometimes three times": one span."""
    between = sentence.texts[last.end : amount.start]
    is_alike = last.kind in ("duration", "frequency") and last.value.isdigit() and amount.value.isdigit() and not amount.vague
    if not (is_alike and between and set(between) <= MAYBE and int(last.value) < amount.high <= 2 * int(last.value) + 1):
        return None
    is_times = sentence.text(amount.end) == "times" and last.kind == "frequency"
    end = amount.end + is_times
    is_last = end == len(sentence.texts) or bool(sentence.pieces[end - 1].pause)
    return replace(last, value=f"{last.value}-{amount.value}", end=end) if is_last else None


def another_value(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "Four times a day?" - "No, three.": a number alone in place of the one that was asked about."""
    last = sentence.asked_value
    is_brief = len(sentence.texts) <= BRIEF_ANSWER and amount.end == len(sentence.texts)
    if last is None or not is_brief or amount.vague or sentence.medicines or sentence.names or "/" in last.value:
        return None
    if sentence.texts[amount.start] in OFTEN and (last.kind != "frequency" or amount.low == 1):  # "just the once"
        return None
    value = f"every {amount.value}" if last.value.startswith("every ") else amount.value
    return replace(last, value=value, start=amount.start, end=amount.end)


def asked_for(sentence: Sentence, amount: Amount) -> Quantity | None:
    """A number alone that answers a question: "How much do you smoke?" - "About 20 a day."."""
    if amount.vague or sentence.text(amount.end) in TIMES or sentence.texts[amount.start] in OFTEN:
        return None
    end = amount.end + 2 * (sentence.texts[amount.end : amount.end + 2] == ["or", "so"])
    period = rate(sentence.texts, end)
    is_count = "many" in sentence.asked and len(sentence.texts) <= SHORT_ANSWER
    asked = next((found for at in range(len(sentence.asked)) if (found := rate(sentence.asked, at))), None)
    habit = _habit(sentence, amount.start <= NAME_REACH)
    if habit and amount.high <= 120 and (period or is_count):
        often = period or asked
        unit = f"{habit[1]} {often[0]}" if often else habit[1]
        return Quantity(habit[0], amount.value, unit, amount.start, period[1] if period else amount.end)
    if amount.start > NAME_REACH or period or sentence.names:
        return None
    is_times = sentence.text(amount.end) == "times"
    is_short = len(sentence.texts) <= SHORT_ANSWER and stands_alone(sentence, amount)
    if asked and (is_short or is_times) and ("often" in sentence.asked or {"many", "times"} <= set(sentence.asked)):
        return Quantity("frequency", amount.value, asked[0], amount.start, amount.end + is_times)
    if sentence.asked_medicine and amount.start < SHORT_ANSWER and sentence.asks_how_many and amount.high <= MOST_TABLETS:
        return Quantity("dose", amount.value, "tablets", amount.start, amount.end) if stands_alone(sentence, amount) else None
    if sentence.asked_medicine and is_short and not sentence.medicines and not set(WHEN) & set(sentence.asked):
        return Quantity("dose", amount.value, bare_unit(sentence.asked_medicine), amount.start, amount.end)
    names = named(sentence.asked)
    return reading(sentence, amount, names[-1][2], is_near=False) if names else None


def _habit(sentence: Sentence, is_answer: bool) -> tuple[str, str] | None:
    """What is counted in "twenty a day" where smoking or drinking is spoken of, as kind and unit."""
    if sentence.says(SMOKING):
        return "tobacco", "cigarettes"
    measures = [unit for unit in ("units", "pints", "glasses", "bottles", "cans") if unit in sentence.asked]
    drinks = is_answer and measures and (DRINKING & set(sentence.asked) or "units" in measures and "week" in sentence.asked)
    return ("alcohol", measures[0]) if drinks else None
