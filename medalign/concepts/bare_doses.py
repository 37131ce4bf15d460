"""Doses that are said without a unit: "naproxen stays at 250 bd", "two paracetamol", "start with ten"."""

from medalign.concepts.numbers import OFTEN
from medalign.concepts.sentence import CHANGING, Amount, Quantity, Sentence, stands_alone
from medalign.concepts.tokens import word_list, words_of
from medalign.concepts.unit_kinds import DETERMINERS
from medalign.concepts.units import BARE_UNITS, COUNTED_MEDICINES, LINKS, TIMES, UNITS

AFTER_BARE = word_list("bare_doses.after_bare")
FORMULATIONS = word_list("bare_doses.formulations")
BEGUN = words_of("start begin beginning started starting stay stays commence begin")
BETWEEN = LINKS | CHANGING | FORMULATIONS | BEGUN  # a medicine and its dose
LOTS = words_of("course courses lot lots round rounds kind kinds type types sort sorts box boxes packet packets")
TAKEN = words_of("took taken swallowed overdosed")
MOST_TABLETS = 8  # "two paracetamol"


def bare_unit(medicine: str) -> str:
    """The unit of a dose that is said without one."""
    return next((unit for unit, names in BARE_UNITS.items() if set(medicine.split()) & names), "mg")


def _words_between(sentence: Sentence, start: int, end: int) -> list[str]:
    """What is said between a medicine and its dose, without how long it is taken."""
    between = sentence.texts[start:end]
    if BEGUN & set(between[:-1]) and between[-1] in ("with", "on", "off"):  # "amitriptyline, start with ten"
        between = between[:-1]
    counted = {at for a in sentence.amounts if start <= a.start < end for at in range(a.start, a.end + 1)}
    if "course" in between or "for" in between and TIMES.keys() & set(between):  # "seven day course, five hundred bd"
        between = [text for at, text in enumerate(between, start) if at not in counted and text not in ("course", "for", "a")]
    return between


def dose_alone(sentence: Sentence, amount: Amount) -> Quantity | None:
    """A number right behind a medicine: "naproxen stays at 250 bd", "sertraline, I think it's 50"."""
    near = [(start, end, name) for start, end, name in sentence.medicines if end <= amount.start]
    is_behind = bool(near) and near[-1][1] == amount.start and not sentence.pieces[amount.start - 1].pause
    if amount.vague and any(start == amount.end for start, _, _ in sentence.medicines):  # "half of the sertraline"
        return Quantity("dose", amount.value, "tablets", amount.start, amount.end) if amount.low != 1 else None
    if amount.vague or sentence.texts[amount.start] in OFTEN or amount.high > 2000:
        return None
    after = sentence.text(amount.end)
    following = next((other for other in sentence.amounts if other.start >= amount.end), None)
    form = UNITS.longest(sentence.texts, following.end) if is_behind and following else None
    if form and form[1][0].unit == "puffs":
        return None  # "Seretide 125, two puffs": 125 belongs to the name
    behind = next((place for place in sentence.medicines if place[0] == amount.end and not is_behind), None)
    if behind and not sentence.pieces[amount.end - 1].pause and (made := _before_medicine(sentence, amount, behind)):
        return made
    if (behind and behind[2].endswith("vaccine")) or after in LOTS:
        return None  # "three boosters", "two courses of antibiotics"
    starts = [start for start, _, _ in sentence.medicines if after in ("of", "on") and start - amount.end in (1, 2)]
    of = next((name for start, _, name in sentence.medicines if start in starts), "")
    if not (near or of):
        return None
    start, end, name = near[-1] if not of else (0, amount.start, of)
    is_strength = is_behind and amount.high >= 10  # "one capsule of lansoprazole thirty"
    if not (of or is_strength) and sentence.text(start - 1) == "of" and any(other.end < start for other in sentence.amounts):
        return None  # "10 ml of X at six": it has its dose
    earlier = [other.end for other in sentence.amounts if end <= other.start < amount.start]
    if earlier and "and" in sentence.texts[earlier[-1] : amount.start]:  # "X 40 in the morning and 20 at lunchtime"
        end = earlier[-1]
    between = _words_between(sentence, end, amount.start)
    is_last = amount.end == len(sentence.texts) or bool(sentence.pieces[amount.end - 1].pause)
    is_next = is_behind and any(start == amount.end for start, _, _ in sentence.medicines)  # "amlodipine five bisoprolol ten"
    is_free = after in AFTER_BARE or stands_alone(sentence, amount)
    if len(between) > 8 or not set(between) <= BETWEEN or not (is_last or of or is_next or is_free):
        return None
    is_clock = between == ["at"] and amount.high <= 12 and amount.low.is_integer() and not BEGUN & set(sentence.texts)
    if is_clock or {"years", "aged"} & set(between):
        return None
    others = [other.low for other in sentence.amounts if other.high >= 50]
    is_count = bool(others) and amount.high <= 4 and amount.low.is_integer() and not of  # "metformin 500, two with breakfast"
    is_count = is_count or bool(of) and amount.high <= 4 and sentence.text(amount.end + 1) in DETERMINERS
    is_few = amount.high <= MOST_TABLETS and amount.low.is_integer()
    is_count = is_count or is_few and bool(COUNTED_MEDICINES & set(name.split()))
    unit = "tablets" if is_count else bare_unit(name)
    return Quantity("dose", amount.value, unit, amount.start, amount.end)


def _before_medicine(sentence: Sentence, amount: Amount, medicine: tuple[int, int, str]) -> Quantity | None:
    """ "The five hundred metformin" is a strength, "two paracetamol" a count; of vaccines and courses neither."""
    if medicine[2].endswith("vaccine") or sentence.text(amount.end) in LOTS:
        return None
    if amount.high >= 50 or not amount.low.is_integer():
        return Quantity("dose", amount.value, "mg", amount.start, amount.end)
    if amount.high > MOST_TABLETS and not TAKEN & set(sentence.texts):
        return None
    form = UNITS.longest(sentence.texts, medicine[1])
    unit = next((unit.unit for unit in form[1] if unit.kind == "dose"), "tablets") if form else "tablets"
    return Quantity("dose", amount.value, unit, amount.start, amount.end)
