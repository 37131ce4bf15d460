"""Numbers that go on from one before in their sentence: "12 units in the morning and 16 at night", "10, sorry, 50"."""

from collections.abc import Sequence
from dataclasses import replace

from medalign.concepts.amounts import CHANGE, Amount
from medalign.concepts.frequencies import rate
from medalign.concepts.sentence import Quantity, Sentence
from medalign.concepts.tokens import words_of
from medalign.concepts.units import LABORATORY, TIMES, UNITS

CORRECTING = words_of("sorry no actually rather correction well wait mean lie oops")
WITH_CORRECTION = words_of("i i'm of or that make that's it's a tell it is should be maybe let me say more like oh the my")
GOES_ON = words_of("and then to on another of or is was up maybe but now usually be been nearer usual")
# What may follow a number that stands alone; a noun would be what it counts: "two kids".
FOLLOWING = words_of(
    "and but so or which that on in at for with today this now then when yesterday last from to as is was it it's before after "
    "again while because though although i i'm i'd we we'll you your he she they his her there right ok okay not no by per up "
    "down still over if through once twice every a an the mane nocte od bd tds qds prn daily nightly weekly than since all "
    "these those my our first overnight here until till max please instead or's would will who where what too only even that's"
)
OF = words_of("of the my your his her oral")
MEASURED = LABORATORY | {"temperature", "pulse", "respiratory rate", "oxygen saturation", "peak flow"}
MEASURED_FACTOR = 3.0
FACTOR = 12.0  # doses of one medicine in one sentence seldom differ by more


def stands_alone(sentence: Sentence, amount: Amount) -> bool:
    """Whether nothing is counted by a number: the sentence or clause ends there, or goes on with a function word."""
    is_end = amount.end >= len(sentence.texts) or bool(sentence.pieces[amount.end - 1].pause)
    return is_end or sentence.text(amount.end) in FOLLOWING


def corrects(sentence: Sentence, last: Quantity, quantity: Quantity) -> bool:
    """Whether a quantity takes the place of the one before: "ten milligrams, sorry, fifty milligrams"."""
    if quantity.kind != last.kind:
        return False
    if quantity.value.startswith(last.value + CHANGE) or quantity.value.endswith(CHANGE + last.value):
        return True
    named = {at for start, end, _ in sentence.medicines for at in range(start, end)}
    between = [sentence.texts[at] for at in range(last.end, quantity.start) if at not in named]
    is_close = set(between) <= CORRECTING | WITH_CORRECTION and bool(set(between) & CORRECTING)
    return (
        is_close or between[:1] in (["most"], ["every"]) and "well" in between
    )  # "a bottle most evenings, well, maybe four a week"


def said_again(sentence: Sentence, found: Sequence[Quantity], amount: Amount) -> Quantity | None:
    """The number alone as one more value of what was measured before."""
    last = next((quantity for quantity in reversed(found) if quantity.kind not in ("duration", "frequency")), None)
    if last is None:
        return None
    texts, before = sentence.texts, sentence.text(amount.start - 1)
    if amount.vague or amount.is_change or texts[amount.start] in ("once", "twice") or not last.is_plausible:
        return None
    if (
        last.kind == "dose" and amount.high <= 12 and (period := rate(texts, amount.end))
    ):  # "one sachet, but I have three a day"
        return Quantity("frequency", amount.value, period[0], amount.start, period[1])
    if not stands_alone(sentence, amount) or UNITS.longest(texts, amount.end) or before in TIMES or "/" in last.value:
        return None
    between = texts[last.end : amount.start]
    again = Quantity(last.kind, amount.value, last.unit, amount.start, amount.end)
    if corrects(sentence, last, again):
        return again
    if last.kind in ("dose", "tobacco", "alcohol") and between and between[-1] == "from" and len(between) <= 2:
        return replace(last, value=f"{amount.value}{CHANGE}{last.value}", end=amount.end)
    opened = before in GOES_ON or amount.start > 0 and bool(sentence.pieces[amount.start - 1].pause)
    if last.kind == "pain score":
        return again if amount.high <= 10 and opened else None
    if (
        last.kind == "weight"
        and before in ("i'm", "he's", "she's", "now")
        or last.kind in MEASURED
        and before in ("and", "then")
    ):
        return (
            again
            if 1 / MEASURED_FACTOR < amount.high / float(last.value.split("-")[0].split(CHANGE)[0]) < MEASURED_FACTOR
            else None
        )
    others = any(last.end <= at and not set(texts[last.end : at]) <= OF for at, _, _ in sentence.medicines)
    low, high = amount.low * FACTOR, amount.high / FACTOR
    size = max(float(part) for part in last.value.replace(CHANGE, "-").split("-") if part)
    if last.kind != "dose" or others or not opened or not high <= size <= low or sentence.names or before in ("at", "by"):
        return None
    is_raised = before == "to" and {"it", "that", "this"} & set(between) and last.value.replace(".", "").isdigit()
    return replace(last, value=f"{last.value}{CHANGE}{amount.value}", end=amount.end) if is_raised else again
