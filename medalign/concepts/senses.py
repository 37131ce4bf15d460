"""In which sense a number was said: of the patient now, or denied, planned, of somebody else, asked and left open.

A measurement bears no status of its own. "If your temperature goes over 38, call us" holds a temperature that nobody has,
so whoever takes numbers out of their sentences has to ask here first. The rules are those of mentions, see `context`.
"""

from collections.abc import Sequence

from medalign.concepts.answers import statuses
from medalign.concepts.context import Context
from medalign.concepts.numbers import CARDINALS
from medalign.concepts.tokens import Token, sentences, word_list, words_of
from medalign.core.analysis import Analysis, Measurement, Status
from medalign.core.transcript import Transcript

# A relative after one of these is no owner: "an inhaler from my wife, and it helps for an hour" tells of the speaker.
NOT_OWNING = words_of("from with by at to for than like near behind")
ROUNDING_S = 0.005  # times may have been through a file
# A limit or an aim, where it stands right before a number: "stay under 130 over 80", "the target is 120 over 80".
LIMITS = words_of("target goal aim aiming should ideally ideal range limit recommended")
LIMIT_PHRASES = word_list("senses.limit_phrases")
QUESTIONS = words_of("are is do does did have has any how what when where who why which can could would shall was were have")
HEDGES = words_of("maybe probably perhaps likely possibly most more not sure i think guess suppose")
PERSONS_OWN = words_of("i'm you're he's she's my your his her")
WISHES = word_list("senses.wishes")  # "I want to get down to eleven stone"
BEYOND = words_of("under below above over least most")  # right before a number only: not "all over the place, 4.6"
BEYOND_REACH = 2  # words
LIMIT_REACH = 5  # words
WISH_REACH = 9  # words


def senses_of(analysis: Analysis) -> tuple[Status, ...]:
    """Those of an analysis's measurements. Whose a number is, tells the mention to which it is tied, if it is tied to one."""
    senses = list(number_senses(analysis.transcript, analysis.measurements))
    for i, (measurement, sense) in enumerate(zip(analysis.measurements, senses, strict=True)):
        rows = [row for row in analysis.concepts if row.concept_id == measurement.concept_id]
        places = [(abs(p.start_s - measurement.start_s), row.status) for row in rows for p in row.text_evidence if row.status]
        nearest = min(places, key=lambda place: place[0], default=(0.0, sense))[1]
        senses[i] = nearest if "family" in (nearest, sense) else sense
    return tuple(senses)


def number_senses(transcript: Transcript, measurements: Sequence[Measurement]) -> tuple[Status, ...]:
    """One status a measurement, in order; "uncertain" for limits, and where its words are no longer in the transcript."""
    said = sentences(transcript)
    places = [_place(said, measurement) for measurement in measurements]
    order = sorted({place for place in places if place})
    # As medicines, so that what is advised counts as a plan: "you should stay under 130 over 80".
    rows = [[(start, end, f"number {n} {start}", True) for n, start, end in order if n == at] for at in range(len(said))]
    contexts = [context for row in statuses(said, rows) for context in row]
    found = {place: _sense(said, place, context) for place, context in zip(order, contexts, strict=True)}
    return tuple(found[place] if place else "uncertain" for place in places)


def _sense(said: list[list[Token]], place: tuple[int, int, int], context: Context) -> Status:
    """The sense of a number, where it differs from that of a complaint."""
    number, start, _ = place
    sentence, trigger = said[number], context.trigger
    if context.status == "resolved":  # a complaint may be gone, a reading was taken
        return "present"
    if context.status == "family" and trigger and trigger[1] > 0 and said[trigger[0]][trigger[1] - 1].text in NOT_OWNING:
        return "present"
    if trigger and trigger[0] == number and trigger[2] <= start:
        words = {token.text for token in sentence[trigger[1] : trigger[2]]}
        is_parted = any(token.pause for token in sentence[trigger[2] - 1 : start])
        if context.status == "uncertain" and words <= HEDGES or context.status == "negated" and is_parted:
            return "present"  # "maybe ten a day", "you have no temperature, 36.5"
    if context.status in ("asked", "uncertain") and _is_told_first(sentence, place):
        return "present"  # "Your pulse is 52, are you a runner?"
    is_behind = trigger is not None and trigger[0] == number and trigger[1] > start
    if context.status == "negated" and trigger and is_behind and sentence[trigger[1]].text == "free":
        return "present"  # "0.02, with a free T4 of 31"
    return "uncertain" if context.status == "present" and _is_limit(sentence, start) else context.status


def _is_told_first(sentence: list[Token], place: tuple[int, int, int]) -> bool:
    """Whether the question starts only after the number, behind a comma: "ten a day, is that right?" still asks about it."""
    rest = [token.text for token in sentence[place[2] :]]
    is_parted = bool(sentence[place[2] - 1].pause)
    opens = {token.text for token in sentence[: min(2, place[1])]} & (QUESTIONS | {"if"})
    return is_parted and not opens and bool(rest) and rest[0] in QUESTIONS and not {"that", "right", "it"} & set(rest[1:3])


def _is_limit(sentence: list[Token], start: int) -> bool:
    before = [token.text for token in sentence[max(0, start - LIMIT_REACH) : start]]
    numbers = [at for at, text in enumerate(before) if text.isdigit() or text in CARDINALS]
    before = before[numbers[-1] + 1 if numbers else 0 :]  # "150 over 90, temperature 37"
    said = f" {' '.join(before)} "
    if PERSONS_OWN & set(before):  # "normally you're 400"
        said = said.replace(" normally ", " ")
    wished = {token.text for token in sentence[max(0, start - WISH_REACH) : start]} & WISHES
    if wished and set(before) & {"get", "be", "getting", "reach", "lose"} and "to" in before:
        return True
    if BEYOND & set(before[-BEYOND_REACH:]):
        return True
    return any(text in LIMITS for text in before) or any(f" {phrase} " in said for phrase in LIMIT_PHRASES)


def _place(said: list[list[Token]], measurement: Measurement) -> tuple[int, int, int] | None:
    """Sentence, first token, token after the last: in the first sentence that holds a part of its words."""
    first_s, last_s = measurement.start_s - ROUNDING_S, measurement.end_s + ROUNDING_S
    for number, sentence in enumerate(said):
        inside = [at for at, token in enumerate(sentence) if first_s <= token.start_s and token.end_s <= last_s]
        if inside:
            return number, inside[0], inside[-1] + 1
    return None
