"""What a number belongs to: a concept of the same sentence and speaker, where the words say so.

A dose belongs to the medicine it is a dose of ("5 mg of X", "X 5 mg"), how often to what it is said with, a duration to what
lasts ("I've had X for three days", "three days of X"). Distance alone ties nothing. When to come back, what to do if it is no
better, how long the wait is: those are plans, and belong to nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medalign.concepts.sentence import Quantity, Sentence
from medalign.concepts.tokens import word_list, words_of
from medalign.concepts.units import DOSE_WORDS, PERIODS, TIMES

CLAUSE = words_of("and but so because when then while which if although though whereas or")
TIED = ("dose", "frequency", "duration", "weight", "pain score")
PLAN = "plan"  # the kind of a time that nothing has lasted
PLANNING = word_list("relations.planning")
LIFE = word_list("relations.life")
# What is said of anybody, or of what is to come: it has not lasted, unless a medicine is taken so long.
GENERAL = word_list("relations.general")
COMING = word_list("relations.coming")
MODAL = words_of("must may might could would can can't")
STAYING = words_of("easy sit upright stand lie wait avoid fast")  # what is told to do
NOT_TO_DO = words_of("drink drive eat lift swim fly alcohol drinking driving")
PERSONS_WEIGHT = words_of("i'm he's she's you're was is were weigh weighs weighed at to now from am")  # no loss, no gain
FIRST_PERSON = words_of("i i've i'm i'd my me we've")
AGED = words_of("he's she's i'm he she")
HAPPENED = words_of("loss gain lost gained put dropped gone went grew grown been had was were happened came")
PRONOUNS = words_of("it they them")
DETERMINERS = words_of("the this that these those my")
BEFORE_NAME = DETERMINERS | words_of("your his her our their a an")
BEFORE_OTHER = words_of("after within before until by next")
IF_REACH = 24  # pieces between a condition and its time; a medicine ends it: "if it hurts, take X for three days"
MAX_BETWEEN = 14  # pieces between a medicine and its dose
TAKING = words_of("take double increase reduce stop stopping reduced drop halve go come")
OF_COUNTED = words_of("of the my your those these his her")
NEW_MEDICINE = words_of("start starting started add adding give giving try use switch prescribe swap instead")
OF_MEDICINE = word_list("relations.of_medicine")


DOSING = word_list("relations.dosing")
GOES_ON = words_of("for since about over maybe up at around roughly usually probably on nearly almost now")


@dataclass(frozen=True)
class Place:
    """A concept at pieces [start, end) of a sentence."""

    start: int
    end: int
    concept_id: str
    is_medicine: bool


def is_plan(sentence: Sentence, quantity: Quantity) -> bool:
    """Whether a time says when something is to be done, or on which condition; nothing has lasted that long."""
    if quantity.kind != "duration" or quantity.unit.endswith(" ago"):
        return False
    texts = sentence.texts
    first, last = clause_of(sentence, quantity)
    clause = set(texts[first:last])
    if "be" in texts[max(0, quantity.start - 2) : quantity.start]:  # "it must be six months"
        clause -= MODAL
    is_advised = clause & STAYING or "stay" in clause and not sentence.medicines
    if is_advised and not FIRST_PERSON & clause or "don't" in clause and clause & NOT_TO_DO:
        return True
    is_treated = sentence.medicines or sentence.dose or DOSE_WORDS & set(texts)
    if not is_treated and (GENERAL | COMING) & clause and not FIRST_PERSON & clause and not {"been", "had"} & clause:
        return True
    said = f" {' '.join(texts[first:last])} "
    before = texts[max(0, quantity.start - 3) : quantity.start]
    if set(before[-1:]) <= {"last", "past"} and before:
        return False
    opened = before[-1:] if before[-1:] != ["about"] else before[-2:-1]
    in_time = opened in (["in"], ["within"]) or before[-2:] == ["in", "another"]
    in_time = in_time and not HAPPENED & {*texts[first : quantity.start], *sentence.asked}
    is_then = opened == ["after"] and quantity.end < len(texts) and sentence.text(quantity.end) != "of"
    in_time = in_time or opened == ["after"] and not is_then and bool(NEW_MEDICINE & clause or TAKING & clause)
    in_time = in_time or before[-2:] == ["the", "next"] and before[:1] != ["for"]
    since = max([quantity.start - IF_REACH, 0, *(end for _, end, _ in sentence.medicines if end <= quantity.start)])
    conditional = bool({"if", "unless"} & set(texts[since : quantity.start]))
    if opened == ["for"]:
        return conditional
    return in_time or conditional or any(f" {phrase} " in said for phrase in PLANNING)


def is_of_life(sentence: Sentence, quantity: Quantity) -> bool:
    """Whether a time is of waiting, travel, home or work, and of nobody's health."""
    if quantity.kind not in ("duration", "frequency", "dose"):
        return False
    first, last = clause_of(sentence, quantity)
    clause = set(sentence.texts[first:last])
    if quantity.kind == "dose":
        is_general = bool({"people", "adults", "maximum"} & clause) or "usual dose" in " ".join(sentence.texts)
        return is_general and not sentence.medicines
    is_end = quantity.end == len(sentence.texts) or bool(sentence.pieces[quantity.end - 1].pause)
    is_weeks = quantity.unit.startswith("week") and sentence.text(quantity.start - 1) != "he's"  # of a pregnancy
    is_age = sentence.text(quantity.start - 1) in AGED and is_end and not is_weeks and quantity.kind == "duration"
    is_treated = bool(sentence.medicines) and quantity.kind == "frequency"
    is_taught = "course" in clause and not (sentence.medicines or DOSE_WORDS & set(sentence.texts))
    return is_age or is_taught or bool(LIFE & clause) and not is_treated


def clause_of(sentence: Sentence, quantity: Quantity) -> tuple[int, int]:
    """Pieces [start, end) of the clause that holds a quantity: up to a pause or a conjunction."""
    first, last = quantity.start, quantity.end
    while first > 0 and not sentence.pieces[first - 1].pause and sentence.texts[first - 1] not in CLAUSE:
        first -= 1
    while last < len(sentence.texts) and not sentence.pieces[last - 1].pause and sentence.texts[last] not in CLAUSE:
        last += 1
    return first, last


def tie(
    sentence: Sentence, quantities: Sequence[Quantity], at: int, places: Sequence[Place], ties: Sequence[str | None]
) -> str | None:
    """The concept that quantity `at` belongs to; `ties` are those of the quantities before it."""
    quantity = quantities[at]
    if quantity.kind not in TIED or is_plan(sentence, quantity):
        return None
    places = [left for place in places if (left := _beside(place, quantities))]
    with_last = at > 0 and _goes_with(sentence, quantities[at - 1], quantity, places, ties[at - 1])
    if quantity.kind == "dose":
        following = quantities[at + 1] if at + 1 < len(quantities) else quantity
        of = set(sentence.texts[quantity.end : following.start])  # "two 5 mg tablets of X", "six of the 5 mg tablets"
        is_counted = following.kind == "dose" and following.start - quantity.end <= 3 and of <= OF_COUNTED
        return _of_dose(sentence, quantity, following.end if is_counted else quantity.end, places)
    if quantity.kind == "frequency":
        counted = [p for p in places if p.start in (quantity.end, quantity.end + 1) and not p.is_medicine]
        if counted and sentence.text(quantity.end - 1) not in (*PERIODS, *TIMES):  # "three fits this year"
            return counted[0].concept_id
        return ties[at - 1] if with_last else _in_clause(sentence, quantities, at, places)
    if quantity.kind == "weight":
        if sentence.text(quantity.start - 1) in PERSONS_WEIGHT:
            return None
        places = [place for place in places if place.concept_id in ("HP:0001824", "HP:0004324")]  # loss and gain
        return next((place.concept_id for place in places), None)
    if quantity.kind == "pain score":
        return next((place.concept_id for place in places if not place.is_medicine), None)
    if with_last and ties[at - 1] and sentence.text(quantity.start - 1) == "for":
        return ties[at - 1]
    return _in_clause(sentence, quantities, at, places)


def _beside(place: Place, quantities: Sequence[Quantity]) -> Place | None:
    """What is left of a place beside the quantities: of "vomit twice" in "I vomit twice a day" the first word, of "stone",
    where that is a unit, nothing."""
    read = {i for quantity in quantities for i in range(quantity.start, quantity.end)}
    left = [i for i in range(place.start, place.end) if i not in read]
    return replace(place, start=left[0], end=left[-1] + 1) if left else None


def _goes_with(sentence: Sentence, last: Quantity, quantity: Quantity, places: Sequence[Place], about: str | None) -> bool:
    """Whether how often or how long goes with the dose before: "5 ml of X, up to four times a day", "500 mg tds for a week"."""
    named = {at for place in places if place.concept_id == about for at in range(place.start, place.end)}
    mentioned = [p for p in places if last.end <= p.start < quantity.start and p.concept_id != about]
    others = [p for p in mentioned if p.is_medicine or not _is_purpose(sentence, p)]
    between = [sentence.texts[at] for at in range(last.end, quantity.start) if at not in named]
    left = [text for text in between if text not in OF_MEDICINE and text not in DOSING]
    return last.kind in ("dose", "frequency") and not others and len(left) <= 2


def _of_dose(sentence: Sentence, quantity: Quantity, end: int, places: Sequence[Place]) -> str | None:
    """ "5 mg of X" and "5 mg X" before "X 5 mg"; "of" something unknown is no dose of X. `end` is where "of" may follow."""
    medicines = [place for place in places if place.is_medicine]
    texts, at = sentence.texts, end
    while at < len(texts) and at - end < 5 and texts[at] in OF_MEDICINE and not sentence.pieces[at - 1].pause:
        at += 1
    if behind := next((place for place in medicines if place.start == at), None):
        is_new = sentence.pieces[at - 1].pause and at == end  # "ramipril 5 mg, amlodipine 10 mg"
        is_listed = any(place.end == quantity.start for place in medicines) and at == end  # "ramipril 5 amlodipine 10"
        if not is_new and not (is_listed and not sentence.pieces[quantity.start - 1].pause):
            return behind.concept_id
    if sentence.text(end) == "of" and at < len(texts):
        return None
    near = [place for place in medicines if place.end <= quantity.start]
    if not near or quantity.start - near[-1].end > MAX_BETWEEN:
        return None
    between = texts[near[-1].end : quantity.start]
    clauses = [at for at, text in enumerate(between) if text in CLAUSE]
    is_other = bool(clauses) and bool(NEW_MEDICINE & set(between[clauses[0] :]))  # "X stops and we start 5 mg"
    return None if is_other else near[-1].concept_id


def _topic(sentence: Sentence, quantity: Quantity, places: Sequence[Place]) -> Place | None:
    """ "It wakes me twice a night, the cough": what "it" was."""
    last = places[-1] if places else None
    if last is None or last.end != len(sentence.texts) or last.start <= quantity.end or not PRONOUNS & set(sentence.texts):
        return None
    is_set_off = sentence.text(last.start - 1) in DETERMINERS and bool(sentence.pieces[last.start - 2].pause)
    return last if is_set_off else None


def _in_clause(sentence: Sentence, quantities: Sequence[Quantity], at: int, places: Sequence[Place]) -> str | None:
    """What the same clause says, right before rather than behind."""
    quantity = quantities[at]
    first, last = clause_of(sentence, quantity)
    if sentence.text(quantity.start - 1) in BEFORE_OTHER:
        return None
    if topic := _topic(sentence, quantity, places):
        return topic.concept_id
    inside = [place for place in places if first <= place.start and place.end <= last]
    if quantity.kind == "frequency":  # how often a tablet is taken: "for my high blood pressure, once a day"
        inside = [place for place in inside if place.is_medicine or not _is_purpose(sentence, place)]
    earlier = [place for place in inside if place.end <= quantity.start]
    if earlier:
        return earlier[-1].concept_id
    later = [place for place in inside if place.start >= quantity.end]
    if later:
        of_other = sentence.text(quantity.end) == "of" and later[0].start - quantity.end > 3
        return None if of_other else later[0].concept_id
    if first == 0 and (close_by := next((place for place in places if last <= place.start <= last + 2), None)):
        behind = sentence.texts[last : close_by.start]  # "About three weeks now, the tiredness"
        if quantity.kind == "duration" and set(behind) <= {"the", "this", "my", "that"} and sentence.text(last) not in CLAUSE:
            return close_by.concept_id
    # "The cough, for about three weeks now", "diarrhoea for a week, maybe eight times a day": set off by a comma only.
    opener = sentence.text(first)
    goes_on = first == quantity.start or opener in GOES_ON or opener.endswith("ing")
    read = {i for other in quantities[:at] for i in range(other.start, other.end)}
    close = [place for place in places if place.end <= first]
    is_close = close and all(i in read or sentence.texts[i] in GOES_ON for i in range(close[-1].end, first))
    return close[-1].concept_id if is_close and goes_on and sentence.text(first - 1) not in CLAUSE else None


def _is_purpose(sentence: Sentence, place: Place) -> bool:
    """Whether something is taken or done for it: "a tablet for my high blood pressure"."""
    at = place.start - 1
    while at > 0 and sentence.text(at) in BEFORE_NAME:
        at -= 1
    return sentence.text(at) == "for"
