"""Numbers of a transcript with their meaning: temperature, blood pressure, laboratory value, dose, how long, how often, ...

Sentence by sentence and speaker by speaker: `quantities` reads what is measured, `relations` says what it belongs to. An
answer is read with its question: "How long have you had the cough?" - "Three weeks.".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from medalign.concepts.bank import ConceptBank
from medalign.concepts.mentions import Mention
from medalign.concepts.pieces import DOTTED, pieces_of
from medalign.concepts.quantities import find_quantities
from medalign.concepts.relations import PLAN, TIED, Place, is_of_life, is_plan, tie
from medalign.concepts.sentence import CHANGE, Quantity, Sentence
from medalign.concepts.tokens import words_of
from medalign.concepts.units import DRINKING, SMOKING
from medalign.core.analysis import Measurement
from medalign.core.transcript import UNKNOWN_SPEAKER, Segment, Transcript, Word

NO_END = ("dr.", "mr.", "mrs.", "ms.", "st.", "vs.", "approx.")
ASKING = words_of("how what what's when which")
SHORT = 4  # pieces of a question that names nothing
SCALES = ("out of ten", "out of 10", "nought to ten", "zero to ten", "one to ten", "0 to 10", "1 to 10", "nought to 10")
HABIT_REACH = 6  # sentences in which "how many a day?" asks for what was spoken of
SCALE_REACH = 6  # sentences in which a number answers "out of ten?"
ANSWER_REACH = 8  # pieces before a number that answers


@dataclass(frozen=True)
class _Said:
    """A sentence of one speaker."""

    words: tuple[Word, ...]
    speaker: str

    @property
    def asks(self) -> bool:
        return self.words[-1].text.rstrip("\"')]").endswith("?")


def find_measurements(transcript: Transcript, mentions: Sequence[Mention], bank: ConceptBank) -> tuple[Measurement, ...]:
    """All measurements in order of time, each with the concept that it belongs to, if the words say so."""
    found: list[Measurement] = []
    before: tuple[_Said, list[Place], list[str]] | None = None
    told: list[Measurement] = []  # in the sentence before
    scale_left, habit = 0, None
    for number, said in enumerate(_sentences(transcript)):
        pieces = pieces_of(said.words)
        if not pieces:
            continue
        places = _places([said.words[piece.word] for piece in pieces], mentions, bank)
        asked = before[2] if before and _asks(before[0], said, before[2]) else []
        medicines = [(p.start, p.end, bank[p.concept_id].label) for p in places if p.is_medicine]
        others = [(p.start, p.end) for p in places if bank[p.concept_id].category not in ("medicine", "habit")]
        dose = found[-1] if found and found[-1].kind == "dose" and found[-1].concept_id else None
        before_dose = (dose.value, dose.unit) if dose and dose.value.replace(".", "").isdigit() else None
        asked_medicine = next((bank[p.concept_id].label for p in before[1] if p.is_medicine), "") if before and asked else ""
        if {"many", "much"} & set(asked) and habit and number - habit[0] <= HABIT_REACH:
            asked = [*asked, *habit[1]]  # "Do you smoke?" - "Yes." - "How many a day?" - "Fifteen."
        question = told[-1] if asked and before and told and _others(before[0].speaker, said.speaker) else None
        has_value = question is not None and question.kind != PLAN
        asked_value = Quantity(question.kind, question.value, question.unit, 0, 0) if question and has_value else None
        sentence = Sentence(pieces, medicines, asked, before_dose, asked_medicine, scale_left > 0, asked_value, others)
        if (SMOKING | DRINKING) & set(sentence.texts):
            habit = number, [text for text in sentence.texts if text in SMOKING | DRINKING]
        scale_left = SCALE_REACH if any(f" {scale} " in f" {' '.join(sentence.texts)} " for scale in SCALES) else scale_left - 1
        quantities = [q for q in find_quantities(sentence) if is_plan(sentence, q) or not is_of_life(sentence, q)]
        ties: list[str | None] = []
        for at in range(len(quantities)):
            is_changed = dose and quantities[at].value.startswith(f"{dose.value}{CHANGE}") and not places
            ties.append(dose.concept_id if dose and is_changed else tie(sentence, quantities, at, places, ties))
            if ties[at] is None and before and not places and quantities[at].start <= ANSWER_REACH:
                ties[at] = _of_question(sentence, quantities[at], before[1], asked)
        if question and _is_corrected(question, sentence, quantities):
            found.remove(question)
        told = [_measurement(said.words, sentence, q, about) for q, about in zip(quantities, ties, strict=True)]
        found += told
        tied = [about for about in ties if about]
        if before and not places and len(pieces) <= SHORT and said.asks:  # "How long?" asks about what was said before
            places = before[1]
        elif tied:
            places = [place for place in places if place.concept_id == tied[-1]] or places
        before = said, places, sentence.texts
    return tuple(found)


def _is_corrected(question: Measurement, sentence: Sentence, answers: Sequence[Quantity]) -> bool:
    """Whether an answer has another number: "Five weeks of diarrhoea?" - "No, five days."."""
    answer = answers[0] if answers else None
    if answer is None or answer.kind != question.kind or answer.start > ANSWER_REACH or sentence.texts[0] in ("yes", "yeah"):
        return False
    was, now = ((unit.startswith("every"), unit.endswith(" ago")) for unit in (question.unit, answer.unit))
    return was == now and (answer.value, answer.unit) != (question.value, question.unit) and not sentence.medicines


def _asks(before: _Said, said: _Said, texts: Sequence[str]) -> bool:
    """Whether a sentence may be answered by the next; recognisers leave out question marks."""
    by_other = _others(before.speaker, said.speaker)
    return before.asks or by_other and (bool(ASKING & set(texts[:ANSWER_REACH])) or len(texts) <= SHORT)


def _of_question(sentence: Sentence, quantity: Quantity, places: Sequence[Place], asked: Sequence[str]) -> str | None:
    """What the question is about, where the number answers it."""
    if quantity.kind not in TIED or is_plan(sentence, quantity) or not asked:
        return None
    if quantity.kind == "pain score":
        places = [place for place in places if not place.is_medicine]
    wanted = [place for place in places if place.is_medicine or quantity.kind in ("duration", "frequency", "pain score")]
    return wanted[-1].concept_id if wanted else None


def _sentences(transcript: Transcript) -> Iterator[_Said]:
    """Words up to a full stop or another speaker, also across segments: recognisers cut a long sentence into several."""
    current: list[Word] = []
    last: Segment | None = None
    for segment in transcript.segments:
        if current and last and _others(last.speaker, segment.speaker):
            yield _Said(tuple(current), last.speaker)
            current = []
        for word in segment.words:
            current.append(word)
            bare = word.text.lower().rstrip("\"')]")
            if bare.endswith((".", "?", "!")) and not (bare in NO_END or DOTTED.fullmatch(bare)):
                yield _Said(tuple(current), segment.speaker)
                current = []
        last = segment
    if current and last:
        yield _Said(tuple(current), last.speaker)


def _others(a: str, b: str) -> bool:
    return a != b and UNKNOWN_SPEAKER not in (a, b)


def _places(words: Sequence[Word], mentions: Sequence[Mention], bank: ConceptBank) -> list[Place]:
    """Where the mentions stand among the pieces, whose words are given."""
    found = []
    for mention in mentions:
        if mention.end_s <= words[0].start_s or mention.start_s >= words[-1].end_s:
            continue
        inside = [i for i, w in enumerate(words) if mention.start_s <= w.start_s and w.end_s <= mention.end_s]
        if inside:
            is_medicine = bank[mention.concept_id].category == "medicine"
            found.append(Place(inside[0], inside[-1] + 1, mention.concept_id, is_medicine))
    return sorted(found, key=lambda place: place.start)


def _measurement(words: Sequence[Word], sentence: Sentence, quantity: Quantity, about: str | None) -> Measurement:
    first, last = (sentence.pieces[at].word for at in (quantity.start, quantity.end - 1))
    said = " ".join(word.text for word in words[first : last + 1]).rstrip(",;:.?!")
    kind = PLAN if is_plan(sentence, quantity) else quantity.kind
    made = Measurement(kind, quantity.value, quantity.unit, said, words[first].start_s, words[last].end_s, about)
    return made if quantity.is_plausible else replace(made, is_plausible=False)
