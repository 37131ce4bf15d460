"""From a transcript to concept mentions: which words mean which concept. `context` then says in which sense.

Conventions: a mention lies inside one sentence; the longest wording wins and mentions never overlap; one wording
gives one concept, see `spans`. Misheard words are not guessed at.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count

from medalign.concepts.answers import denies, is_polar_question, statuses
from medalign.concepts.bank import BLOCKED, ConceptBank, is_allergy, phrase_keys
from medalign.concepts.context import Context
from medalign.concepts.pieces import pieces_of
from medalign.concepts.quantities import find_quantities
from medalign.concepts.readings import is_normal_temperature
from medalign.concepts.sentence import Sentence as NumberSentence
from medalign.concepts.spans import Span, find_spans
from medalign.concepts.tokens import Token, data_rows, phrase_tokens, sentences, stem, word_list, words_of
from medalign.core.analysis import Action, Status
from medalign.core.transcript import UNKNOWN_SPEAKER, Segment, Transcript, Word

WORD_S = 0.3  # made-up duration of a word in plain text

ALLERGIC_TO = re.compile(r"(allergic|allergy|allergies|intolerant|reaction) (to|with) ((any|the|a|an|some|all) )?$")
FEVER = "HP:0001945"
ALCOHOL = "CUSTOM:alcohol-use"
DRINK, DRINKERS = words_of("drink drinks drinking"), words_of("i you he she don't doesn't didn't not never also")
BARE_PILL, MILLIGRAMS = words_of("the her my a pill on take taking takes took"), words_of("mg mgs milligram milligrams")
DOSE_WITHIN = 4  # words from a pill to the unit of its dose
BEVERAGES = word_list("mentions.beverages")
DRUG_ALLERGY = "ICD10CM:Z88.9"  # to any drug; allergies to one have it as the broader one
ADVISED = frozenset(["medicine", "procedure", "habit"])  # what a doctor proposes is a plan: "you should have an X-ray"
NARROWED = frozenset(["finding", "diagnosis", "medicine"])
ASKED_WITHIN = 3  # segments from a particular complaint that is asked about to the general word that answers
LISTING = frozenset(["and", "or", "nor", "to"])
ASKS_ALLERGIES = words_of("allergy allergies allergic react reacted reaction reactions")
ASKS_ON = words_of("other others else")
EXCEPTING = words_of("but except only just though although apart besides")  # "No, just cats."
ANSWER_SENTENCES = 3  # after a question about allergies; another question about other things ends them
FAR = 12  # words of an answer that are read for it


@dataclass(frozen=True)
class Mention:
    """A concept in the words that were said, with the sense in which they were said."""

    concept_id: str
    status: Status
    trigger: str | None  # the words behind the status; None for a plain statement
    text: str  # as said
    start_s: float
    end_s: float
    segment_index: int  # where the mention begins
    action: Action | None = None  # of a medicine: what is done with it
    answer: str | None = None  # where it is asked about: what is said to it, and until when
    answer_end_s: float | None = None
    rival: Status | None = None  # the other of present and negated, where two readings of the same words differ
    said_id: str | None = None  # the concept of these words alone, where what else is said made it a more exact one


def find_mentions(transcript: Transcript, bank: ConceptBank) -> tuple[Mention, ...]:
    """All mentions in order of time; the same concept appears as often as it is said."""
    said = sentences(transcript)
    words = transcript.words
    spans = [without_normal_temperatures(sentence, _spans(sentence, bank), words) for sentence in said]
    spans = answered_allergies(said, spans, bank)
    advised = {concept.concept_id for concept in bank.concepts if concept.category in ADVISED}
    contexts = statuses(said, [[(s.start, s.end, s.concept_id, s.concept_id in advised) for s in row] for row in spans])
    mentions = [
        _mention(said, number, span, context, words)
        for number in range(len(said))
        for span, context in zip(spans[number], contexts[number], strict=True)
    ]
    return as_specific_as_said(mentions, bank)


def as_specific_as_said(mentions: Sequence[Mention], bank: ConceptBank) -> tuple[Mention, ...]:
    """Near-duplicates as one concept: "my back hurts" is the low back pain that the same person speaks of elsewhere.

    It depends on the statuses: once they have changed, it begins again from the words.

    Where several more specific ones have the status, the last one before it is meant, else the first after it. What is
    denied is left alone: "no pain" denies more than "no chest pain". So are suspected diseases, since a differential has
    the general one beside the particular, and operations and habits: a second surgery is mostly another one. What is
    hurt at a place of its own ("I hurt my elbow") is no injury of the head; and an allergy to one medicine is none to
    another that was named.
    """
    mentions = [replace(m, concept_id=m.said_id, said_id=None) if m.said_id else m for m in mentions]
    narrower: dict[tuple[str, Status], list[int]] = {}
    for at, mention in enumerate(mentions):
        category = bank[mention.concept_id].category
        is_left = mention.status == "negated" or (category, mention.status) == ("diagnosis", "uncertain")
        if category in NARROWED and not is_left:
            for broader in bank[mention.concept_id].broader:
                narrower.setdefault((broader, mention.status), []).append(at)
    found = []
    for at, mention in enumerate(mentions):
        others = narrower.get((mention.concept_id, mention.status), [])
        general = bank[mention.concept_id]
        if not others and (general.category, mention.status) == ("finding", "present"):  # "some chest pain?" - "a tight pain"
            asked = narrower.get((mention.concept_id, "uncertain"), [])
            others = [n for n in asked if 0 <= mention.segment_index - mentions[n].segment_index <= ASKED_WITHIN]
        is_named = mention.concept_id == DRUG_ALLERGY and _names_a_medicine(mention.text, bank)
        is_placed = _names_a_place(mention.text, bank) and not _names_a_place(general.label, bank)
        if others and not is_named and not (general.category == "diagnosis" and is_placed):
            meant = mentions[next((n for n in reversed(others) if n < at), others[0])]
            mention = replace(mention, concept_id=meant.concept_id, said_id=mention.concept_id)
        found.append(mention)
    return tuple(found)


def _names_a_place(text: str, bank: ConceptBank) -> bool:
    return any(stem(token) in bank.places.root for token in phrase_tokens(text.lower()))


def _names_a_medicine(text: str, bank: ConceptBank) -> bool:
    return not bank.medicine_words.isdisjoint(phrase_tokens(text.lower()))


def without_normal_temperatures(sentence: list[Token], spans: list[Span], words: Sequence[Word]) -> list[Span]:
    """The mentions without those of fever by a "temperature" that was measured and is none: "temperature of 36.8"."""
    named = [span for span in spans if span.concept_id == FEVER and sentence[span.start].text.startswith("temp")]
    if not named:
        return spans
    first = sentence[0].word
    pieces = pieces_of(words[first : sentence[-1].word + 1])
    read = [(pieces[q.start].word, q) for q in find_quantities(NumberSentence(pieces)) if q.kind == "temperature"]
    normal = set()
    for span in named:
        at = sentence[span.end - 1].word - first
        quantity = next((quantity for word, quantity in read if word >= at), None)
        if quantity and is_normal_temperature(quantity):
            normal.add(span)
    return [span for span in spans if span not in normal]


def mention_places(sentence: Sequence[Token], bank: ConceptBank) -> list[tuple[int, int]]:
    """Where the mentions of one sentence stand: tokens [start, end)."""
    return [(span.start, span.end) for span in _spans(list(sentence), bank)]


def find_mentions_in_text(text: str, bank: ConceptBank) -> tuple[Mention, ...]:
    """Mentions in plain text; times are made up, see `transcript_from_text`."""
    return find_mentions(transcript_from_text(text), bank)


def transcript_from_text(text: str) -> Transcript:
    """A transcript with made-up times, one segment a line; "Doctor:" or "[doctor]" at its start names the speaker."""
    segments = []
    clock_s = 0.0
    for line in text.replace(" n't", "n't").splitlines():  # some corpora write "do n't"
        named = re.match(r"\s*(?:\[(\w+)\]|(Doctor|Patient|Guest\w*|Speaker \w+):)\s*", line)
        said = line[named.end() :] if named else line
        speaker = (named.group(1) or named.group(2)).lower() if named else UNKNOWN_SPEAKER
        starts = (clock_s + i * WORD_S for i in count())
        words = tuple(Word(at, at + WORD_S, word, 1.0) for at, word in zip(starts, said.split(), strict=False))
        if words:
            segments.append(Segment(words[0].start_s, words[-1].end_s, said.strip(), words, speaker))
            clock_s = words[-1].end_s
    return Transcript(tuple(segments))


def _spans(sentence: list[Token], bank: ConceptBank) -> list[Span]:
    spans = [span for span in find_spans(sentence, bank) if not _is_dosed_pill(sentence, span)]
    return _join_allergies(sentence, sorted([*spans, *_drinking(sentence, spans, bank)], key=lambda span: span.start), bank)


def _is_dosed_pill(sentence: list[Token], span: Span) -> bool:
    """ "I take from the pill five milligrams": no pill that is called just that has milligrams; a name was misheard."""
    texts = [token.text for token in sentence[span.start : span.end]]
    after = sentence[span.end : span.end + DOSE_WITHIN]
    end = next((n + 1 for n, token in enumerate(after) if token.pause), len(after))
    return texts[-1] == "pill" and BARE_PILL.issuperset(texts) and any(token.text in MILLIGRAMS for token in after[:end])


def _drinking(sentence: list[Token], spans: Sequence[Span], bank: ConceptBank) -> list[Span]:
    """ "Do you smoke or drink?", "I don't drink": alcohol is meant, where nothing is named that is drunk."""
    if ALCOHOL not in bank or BEVERAGES & {token.text for token in sentence}:
        return []
    taken = {at for span in spans for at in range(span.start, span.end)}
    found = []
    for at, token in enumerate(sentence):
        before = [other.text for other in sentence[max(0, at - 2) : at]]
        listed = len(before) == 2 and before[1] in LISTING and before[0].startswith("smok")
        is_last = token.pause or at + 1 == len(sentence) or sentence[at + 1].text in LISTING
        if token.text in DRINK and at not in taken and is_last and (listed or before and before[-1] in DRINKERS):
            found.append(Span(at, at + 1, ALCOHOL, 1))
    return found


def allergy_to(medicine_id: str, bank: ConceptBank) -> str:
    """The concept of an allergy to a medicine: one of its own, else that to any drug; the medicine, if the bank has neither."""
    for as_written in (False, True):
        words = phrase_keys(f"{bank[medicine_id].label} allergy", as_written)
        end, own = bank.phrases.longest(words, 0) or (0, BLOCKED)
        if end == len(words) and own in bank:
            return own
    return DRUG_ALLERGY if DRUG_ALLERGY in bank else medicine_id


def _join_allergies(sentence: list[Token], spans: list[Span], bank: ConceptBank) -> list[Span]:
    """A medicine that somebody is allergic to is an allergy, not a medicine taken; so are the others of its list."""
    if DRUG_ALLERGY not in bank:
        return spans
    joined: list[Span] = []
    for span in spans:
        before = " ".join(token.text for token in sentence[max(0, span.start - 4) : span.start]) + " "
        allergic = ALLERGIC_TO.search(before)
        is_medicine, last = bank[span.concept_id].category == "medicine", joined[-1] if joined else None
        names_allergy = span.end - span.start == 1 and sentence[span.start].text in ("allergy", "allergies")
        between = sentence[last.end : span.start] if last else []
        is_behind_medicine = last and bank[last.concept_id].category == "medicine" and not sentence[span.start - 1].pause
        is_listed = len(between) <= 2 and all(token.text in LISTING for token in between)
        if is_medicine and allergic:
            start = span.start - len(allergic.group().split())
            joined = [earlier for earlier in joined if earlier.end <= start]
            joined.append(Span(start, span.end, allergy_to(span.concept_id, bank), span.end - start))
        elif is_medicine and last and is_allergy(last.concept_id, bank[last.concept_id].label) and is_listed:
            joined.append(replace(span, concept_id=allergy_to(span.concept_id, bank)))
        elif names_allergy and last and last.end == span.start and is_behind_medicine:
            joined[-1] = Span(last.start, span.end, allergy_to(last.concept_id, bank), 2)
        else:
            joined.append(span)
    return joined


@cache
def _allergens() -> dict[str, str]:
    """Word -> label of the allergy."""
    return {word: row["label"] for row in data_rows("allergens.csv") for word in row["words"].split()}


def answered_allergies(said: list[list[Token]], spans: list[list[Span]], bank: ConceptBank) -> list[list[Span]]:
    """The concepts of each sentence, with allergies to what an answer or the question itself names.

    "Any allergies?" - "Just cats." - the cats are no concept elsewhere.
    """
    ids = {concept.label: concept.concept_id for concept in bank.concepts}
    found, left = [], 0
    for sentence, known in zip(said, spans, strict=True):
        texts = {token.text for token in sentence}
        asks = bool(ASKS_ALLERGIES & texts)
        names_none = not asks and denies(sentence) and not EXCEPTING & texts  # "Not that I know of, I've been around dogs."
        if asks:
            left = ANSWER_SENTENCES + 1  # with the question itself
        elif is_polar_question(sentence) and len(sentence) > 2:  # "Eggs?", "Others?" ask on, "Any surgery?" not
            left = ANSWER_SENTENCES + 1 if left and ASKS_ON & texts else 0
        if left:  # the plasters that bring somebody up red are no dressing
            known = [s for s in known if s.end - s.start > 1 or sentence[s.start].text not in _allergens()]
        taken = {at for span in known for at in range(span.start, span.end)}
        named = [
            Span(at, at + 1, ids[_allergens()[token.text]], 1)
            for at, token in enumerate(() if names_none else sentence[:FAR])
            if left and token.text in _allergens() and at not in taken and _allergens()[token.text] in ids
        ]
        left = max(0, left - 1)
        found.append(sorted([*known, *named], key=lambda span: span.start))
    return found


def _mention(said: list[list[Token]], number: int, span: Span, context: Context, words: tuple[Word, ...]) -> Mention:
    first, last = said[number][span.start], said[number][span.end - 1]
    trigger = None
    if context.trigger:
        sentence, start, end = context.trigger
        trigger = _as_said(words, said[sentence][start], said[sentence][end - 1])
    text = _as_said(words, first, last)
    mention = Mention(span.concept_id, context.status, trigger, text, first.start_s, last.end_s, first.segment)
    if not context.answer:
        return mention
    sentence, start, end = context.answer
    of_answer = said[sentence][start], said[sentence][end - 1]
    cut = " …" if end < len(said[sentence]) and not of_answer[1].pause else ""
    return replace(mention, answer=_as_said(words, *of_answer) + cut, answer_end_s=of_answer[1].end_s)


def _as_said(words: tuple[Word, ...], first: Token, last: Token) -> str:
    text = " ".join(word.text for word in words[first.word : last.word + 1])
    if first.word == last.word:  # part of a hyphenated word: "non" in "non-smoker"
        lowered = text.lower().replace("’", "'")
        text = text[lowered.find(first.text) : lowered.rfind(last.text) + len(last.text)]
    return text.strip(' .,;:!?…"()[]-')
