"""From a transcript to concept mentions: which words mean which concept. `context` then says in which sense.

Conventions: a mention lies inside one sentence; the longest wording wins and mentions never overlap; one wording
gives one concept. Matching compares stems, so inflections and both spellings of English are found; fillers ("um"),
articles and weak modifiers may stand inside a wording; a complaint and a body part are joined in either order ("my
chest really hurts", "pain in my chest"). Misheard words are not guessed at.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

from medalign.concepts.answers import statuses
from medalign.concepts.bank import BLOCKED, FILLERS, GAP, SKIPPABLE, ConceptBank
from medalign.concepts.context import Context
from medalign.concepts.numbers import pieces_of
from medalign.concepts.quantities import find_quantities, is_normal_temperature
from medalign.concepts.sentence import Sentence as NumberSentence
from medalign.concepts.tokens import PhraseTree, Token, data_rows, sentences, stem, words_of
from medalign.core.analysis import Status
from medalign.core.transcript import UNKNOWN_SPEAKER, Segment, Transcript, Word

MAX_SKIPPED = 5  # skippable words inside one wording
MAX_GAP = 4  # words of any kind in the gap of a pattern
MAX_BRIDGE = 8  # words between a complaint and its body part
WORD_S = 0.3  # made-up duration of a word in plain text

COMPLAINTS = {stem(word): row["complaint"] for row in data_rows("complaints.csv") for word in row["words"].split()}
# What may stand between "my chest" and "hurts", and between "pain" and "my chest".
PLACE_FIRST = SKIPPABLE | words_of(
    "'s is are was were has have had been being be feel feels felt feeling get gets getting got gotten start "
    "started starts starting do does did to too still all pretty lot quite area region side muscles which going "
    "go keeps became become both now been badly terribly bad seems and looks look looking"
)
COMPLAINT_FIRST = SKIPPABLE | words_of(
    "'s in on around across at to down up of behind under underneath inside into over with from both lower "
    "upper left right side sides top back bottom middle centre center front part area region near one hand all "
    "whole same here is are was going through between towards mainly mostly wee"
)
ALLERGIC_TO = re.compile(r"(allergic|allergy|allergies|intolerant|reaction) (to|with) ((any|the|a|an|some|all) )?$")
FEVER = "HP:0001945"
DRUG_ALLERGY = "ICD10CM:Z88.9"
LISTING = frozenset(["and", "or", "nor", "to"])


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


@dataclass(frozen=True, slots=True)
class Span:
    """A concept at tokens [start, end) of a sentence; `weight` counts the tokens of its wording."""

    start: int
    end: int
    concept_id: str  # BLOCKED loses a tie
    weight: float


def find_mentions(transcript: Transcript, bank: ConceptBank) -> tuple[Mention, ...]:
    """All mentions in order of time; the same concept appears as often as it is said."""
    said = sentences(transcript)
    words = transcript.words
    spans = [without_normal_temperatures(sentence, _find_spans(sentence, bank), words) for sentence in said]
    contexts = statuses(
        said, [[(s.start, s.end, s.concept_id, bank[s.concept_id].category == "medicine") for s in row] for row in spans]
    )
    mentions = [
        _mention(said, number, span, context, words)
        for number in range(len(said))
        for span, context in zip(spans[number], contexts[number], strict=True)
    ]
    return _as_specific_as_said(mentions, bank)


def _as_specific_as_said(mentions: Sequence[Mention], bank: ConceptBank) -> tuple[Mention, ...]:
    """Near-duplicates as one concept: "my back hurts" is the low back pain that the same person speaks of elsewhere.

    Where several more specific ones have the status, the last one before it is meant, else the first after it. What is
    denied is left alone: "no pain" denies more than "no chest pain".
    """
    narrower: dict[tuple[str, Status], list[int]] = {}
    for at, mention in enumerate(mentions):
        if mention.status != "negated":
            for broader in _all_broader(mention.concept_id, bank):
                narrower.setdefault((broader, mention.status), []).append(at)
    found = []
    for at, mention in enumerate(mentions):
        others = narrower.get((mention.concept_id, mention.status), [])
        meant = next((n for n in reversed(others) if n < at), others[0] if others else at)
        found.append(replace(mention, concept_id=mentions[meant].concept_id))
    return tuple(found)


def _all_broader(concept_id: str, bank: ConceptBank) -> set[str]:
    direct = set(bank[concept_id].broader)
    return direct.union(*(_all_broader(broader, bank) for broader in direct))


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
    return [(span.start, span.end) for span in _find_spans(list(sentence), bank)]


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


def _find_spans(sentence: list[Token], bank: ConceptBank) -> list[Span]:
    """The mentions of one sentence: heaviest wording first, no overlap."""
    found = _phrases(sentence, bank.phrases)
    found += _complaints_at_places(sentence, bank.places)
    found.sort(key=lambda span: (-span.weight, span.end - span.start, span.start))
    free = [True] * len(sentence)
    chosen = []
    for span in found:
        if all(free[span.start : span.end]):
            free[span.start : span.end] = [False] * (span.end - span.start)
            chosen.append(span)
    chosen = sorted((span for span in chosen if span.concept_id != BLOCKED), key=lambda span: span.start)
    return _join_allergies(sentence, chosen, bank)


def _phrases(sentence: list[Token], tree: PhraseTree[str]) -> list[Span]:
    """Every phrase of the bank, from every token; a walk may skip fillers and weak modifiers."""
    found = []
    root, value_key = tree.root, PhraseTree.VALUE
    for start, first in enumerate(sentence):
        if first.stem not in root and "=" + first.text not in root:
            continue
        paths = [(root, start, 0, 0, 0)]  # node, next token, tokens taken, tokens skipped, tokens left in the gap
        while paths:
            node, at, taken, skipped, gap = paths.pop()
            token = sentence[at]
            for key in (token.stem, "=" + token.text):
                branch = node.get(key)
                if branch is None:
                    continue
                if value_key in branch:
                    concept_id = branch[value_key]
                    found.append(Span(start, at + 1, concept_id, taken + (0.5 if concept_id == BLOCKED else 1)))
                if at + 1 < len(sentence) and _may_go_on(sentence, at, taken + 1):
                    paths.append((branch, at + 1, taken + 1, skipped, 0))
                    if GAP in branch:
                        paths.append((branch[GAP], at + 1, taken + 1, skipped, MAX_GAP))
            if at + 1 == len(sentence):
                continue
            if gap and _may_go_on(sentence, at, taken):
                paths.append((node, at + 1, taken, skipped, gap - 1))
            elif taken and skipped < MAX_SKIPPED and token.text in SKIPPABLE:
                paths.append((node, at + 1, taken, skipped + 1, gap))
    return found


def _may_go_on(sentence: list[Token], at: int, taken: int) -> bool:
    """Commas end a wording, except around a filler ("chest, um, pain") and in long names ("hand, foot and mouth")."""
    return not sentence[at].pause or sentence[at + 1].text in FILLERS or taken == 1 and sentence[at].text == "hand"


def _complaints_at_places(sentence: list[Token], tree: PhraseTree[dict[str, str]]) -> list[Span]:
    """A complaint joined with the nearest body part that gives a concept, either order."""
    complaints = [(at, COMPLAINTS[token.stem]) for at, token in enumerate(sentence) if token.stem in COMPLAINTS]
    if not complaints:
        return []
    stems = [token.stem for token in sentence]
    places = []
    at = 0
    while at < len(sentence):
        match = tree.longest(stems, at)
        if match and not (match[0] < len(sentence) and sentence[match[0]].text == "of"):  # "the back of my head"
            places.append((at, *match))
            at = match[0]
        else:
            at += 1
    found = []
    for at, complaint in complaints:
        options = []
        for start, end, by_complaint in places:
            concept_id = by_complaint.get(complaint) or (by_complaint.get("pain") if complaint == "cramp" else None)
            if concept_id is None:
                continue
            if end <= at and _bridged(sentence, end, at, PLACE_FIRST):
                options.append((at - end, 0, Span(start, at + 1, concept_id, end - start + 1)))
            elif start > at and _bridged(sentence, at + 1, start, COMPLAINT_FIRST):
                options.append((start - at - 1, 1, Span(at, end, concept_id, end - start + 1)))
        if options:
            found.append(min(options, key=lambda option: option[:2])[2])
    return found


def _bridged(sentence: list[Token], start: int, end: int, allowed: frozenset[str]) -> bool:
    """Whether tokens [start, end) hold complaint and place together; no comma but a filler's."""
    if end - start > MAX_BRIDGE:
        return False
    between = sentence[start - 1 : end]
    commas_ok = all(
        not token.pause or token.text in FILLERS or follower.text in FILLERS
        for token, follower in zip(between, sentence[start : end + 1], strict=False)
    )
    return commas_ok and all(token.text in allowed for token in sentence[start:end])


def _join_allergies(sentence: list[Token], spans: list[Span], bank: ConceptBank) -> list[Span]:
    """A medicine that somebody is allergic to is an allergy, not a medicine taken; so are the others of its list."""
    if DRUG_ALLERGY not in bank:
        return spans
    joined: list[Span] = []
    for span in spans:
        before = " ".join(token.text for token in sentence[max(0, span.start - 4) : span.start]) + " "
        allergic = ALLERGIC_TO.search(before)
        is_medicine = bank[span.concept_id].category == "medicine"
        if is_medicine and allergic:
            start = span.start - len(allergic.group().split())
            joined = [earlier for earlier in joined if earlier.end <= start]
            joined.append(Span(start, span.end, DRUG_ALLERGY, span.end - start))
        elif is_medicine and joined and _is_allergy(joined[-1]) and _listed(sentence, joined[-1].end, span.start):
            joined.append(replace(span, concept_id=DRUG_ALLERGY))
        elif (
            joined
            and _names_allergy(sentence, span)
            and bank[joined[-1].concept_id].category == "medicine"
            and joined[-1].end == span.start
            and not sentence[span.start - 1].pause
        ):
            joined.append(Span(joined.pop().start, span.end, DRUG_ALLERGY, 2))
        else:
            joined.append(span)
    return joined


def _is_allergy(span: Span) -> bool:
    return span.concept_id.startswith("ICD10CM:Z88")


def _names_allergy(sentence: list[Token], span: Span) -> bool:
    return span.end - span.start == 1 and sentence[span.start].text in ("allergy", "allergies")


def _listed(sentence: list[Token], start: int, end: int) -> bool:
    return end - start <= 2 and all(token.text in LISTING for token in sentence[start:end])


def _mention(said: list[list[Token]], number: int, span: Span, context: Context, words: tuple[Word, ...]) -> Mention:
    first, last = said[number][span.start], said[number][span.end - 1]
    trigger = None
    if context.trigger:
        sentence, start, end = context.trigger
        trigger = _as_said(words, said[sentence][start], said[sentence][end - 1])
    text = _as_said(words, first, last)
    return Mention(span.concept_id, context.status, trigger, text, first.start_s, last.end_s, first.segment)


def _as_said(words: tuple[Word, ...], first: Token, last: Token) -> str:
    text = " ".join(word.text for word in words[first.word : last.word + 1])
    if first.word == last.word:  # part of a hyphenated word: "non" in "non-smoker"
        lowered = text.lower().replace("’", "'")
        text = text[lowered.find(first.text) : lowered.rfind(last.text) + len(last.text)]
    return text.strip(' .,;:!?…"()[]-')
