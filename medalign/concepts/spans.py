"""Which words of a sentence mean which concept: phrases of the bank, patterns with gaps, and complaints at body parts.

The longest wording wins. Matching compares stems, so inflections and both spellings of English are found; fillers ("um"),
articles and weak modifiers may stand inside a wording; a complaint and a body part are joined in either order ("my chest
really hurts", "pain in my chest").
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medalign.concepts.bank import BLOCKED, FILLERS, GAP, SKIPPABLE, ConceptBank
from medalign.concepts.tokens import ENDINGS, PhraseTree, Token, data_rows, stem, word_list, words_of

AN_ENDING = 0.25  # "upset's my stomach": a wording weighs less where an apostrophe is passed over
MAX_SKIPPED = 5  # skippable words inside one wording
MAX_GAP = 4  # words of any kind in the gap of a pattern
MAX_BRIDGE = 8  # words between a complaint and its body part

# By stem, the complaint, and another that serves where a body part has none of its own: tenderness of the knee is knee pain.
_ROWS = data_rows("complaints.csv")
COMPLAINTS = {stem(word): (row["complaint"], row["otherwise"]) for row in _ROWS for word in row["words"].split()}
# What may stand between "my chest" and "hurts", and between "pain" and "my chest".
PLACE_FIRST = SKIPPABLE | word_list("spans.place_first")
COMPLAINT_FIRST = SKIPPABLE | word_list("spans.complaint_first")
AND_OR = words_of("and or")
# What may stand between body parts that are listed; and what shows that a part begins a clause of its own.
IN_LISTS = AND_OR | words_of("a an the my your his her their any in on of to at left right both upper lower")
CLAUSE = word_list("spans.clause")
WHEN_MOVED = frozenset(["CUSTOM:pain-on-walking", "CUSTOM:pain-on-movement"])
MAX_LISTED, LISTED = 3, 0.9  # words between; the weight of a part that is listed
# Inside a wording they deny it: of "my knee doesn't hurt", the mention begins after "doesn't", which then is its trigger.
DENYING = words_of("not never non isn't aren't wasn't weren't hasn't haven't hadn't doesn't don't didn't")


@dataclass(frozen=True, slots=True)
class Span:
    """A concept at tokens [start, end) of a sentence; `weight` counts the tokens of its wording."""

    start: int
    end: int
    concept_id: str  # BLOCKED loses a tie
    weight: float


def find_spans(sentence: list[Token], bank: ConceptBank) -> list[Span]:
    """The concepts in the words of one sentence, in order: the heaviest wording wins, and none overlap."""
    phrases = _phrases(sentence, bank.phrases)
    phrases += _with_shared_head(sentence, phrases, bank.phrases)
    found = phrases + _as_described(_complaints_at_places(sentence, bank.places), phrases, bank)
    found.sort(key=lambda span: (-span.weight, span.end - span.start, span.start))
    free = [True] * len(sentence)
    chosen = []
    for span in found:
        if all(free[span.start : span.end]):
            free[span.start : span.end] = [False] * (span.end - span.start)
            chosen.append(span)
    return sorted((span for span in chosen if span.concept_id != BLOCKED), key=lambda span: span.start)


def _phrases(sentence: list[Token], tree: PhraseTree[str]) -> list[Span]:
    """Every phrase of the bank, from every token; a walk may skip fillers and weak modifiers."""
    found = []
    root, value_key = tree.root, PhraseTree.VALUE
    for start, first in enumerate(sentence):
        if first.stem not in root and "=" + first.text not in root:
            continue
        # Node, next token, tokens taken (with a fraction lost for endings), skipped and left in the gap, first token.
        paths: list[tuple[dict, int, float, int, int, int]] = [(root, start, 0, 0, 0, start)]
        while paths:
            node, at, taken, skipped, gap, first_at = paths.pop()
            token = sentence[at]
            for key in (token.stem, "=" + token.text):
                branch = node.get(key)
                if branch is None:
                    continue
                if value_key in branch:
                    concept_id = branch[value_key]
                    found.append(Span(first_at, at + 1, concept_id, taken + (0.5 if concept_id == BLOCKED else 1)))
                if at + 1 < len(sentence) and _may_go_on(sentence, at, taken + 1):
                    paths.append((branch, at + 1, taken + 1, skipped, 0, first_at))
                    if sentence[at + 1].text in ENDINGS and at + 2 < len(sentence) and _may_go_on(sentence, at + 1, taken + 1):
                        paths.append((branch, at + 2, taken + 1 - AN_ENDING, skipped, 0, first_at))
                    if GAP in branch:
                        paths.append((branch[GAP], at + 1, taken + 1, skipped, MAX_GAP, first_at))
            if at + 1 == len(sentence):
                continue
            if gap and _may_go_on(sentence, at, taken):
                paths.append((node, at + 1, taken, skipped, gap - 1, at + 1 if token.text in DENYING else first_at))
            elif taken and skipped < MAX_SKIPPED and (token.text in SKIPPABLE or token.text == sentence[at - 1].text):
                paths.append((node, at + 1, taken, skipped + 1, gap, first_at))
    return found


def _with_shared_head(sentence: list[Token], phrases: Sequence[Span], tree: PhraseTree[str]) -> list[Span]:
    """What shares its last word with another: of "heart, liver or kidney disease", the heart and the liver."""
    found = []
    for span in phrases:
        if span.end - span.start != 2 or span.concept_id == BLOCKED:
            continue
        start, head = span.start, sentence[span.end - 1]
        for first in range(span.start - 1, -1, -1):
            if first + 1 < start and not (first + 2 == start and sentence[first + 1].text in AND_OR):
                break
            if sentence[first].text in AND_OR:
                continue
            is_head = sentence[first].stem == head.stem or sentence[first].text.endswith("ed")
            if is_head or not _listed(sentence, first + 1, start):
                break
            match = tree.longest([sentence[first].stem, head.stem], 0)
            if match is None or match[0] != 2 or match[1] in (BLOCKED, span.concept_id):
                break
            found.append(Span(first, first + 1, match[1], LISTED))
            start = first
    return found


def _may_go_on(sentence: list[Token], at: int, taken: float) -> bool:
    """Commas end a wording, except at a filler or a stutter ("chest, um, pain") and in "hand, foot and mouth"."""
    goes_on = sentence[at + 1].text in FILLERS | {sentence[at].text}
    return not sentence[at].pause or goes_on or taken == 1 and sentence[at].text == "hand"


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
    for at, names in complaints:
        options = []
        for start, end, by_complaint in places:
            concept_id = next((by_complaint[name] for name in names if name in by_complaint), None)
            if concept_id is None:
                continue
            if end <= at and _bridged(sentence, end, at, PLACE_FIRST | DENYING):
                first = max((n + 1 for n in range(end, at) if sentence[n].text in DENYING), default=start)
                first = at if _complains(sentence, end, at) else first
                options.append((at - end, 0, Span(first, at + 1, concept_id, end - start + 1)))
            elif start > at and _bridged(sentence, at + 1, start, COMPLAINT_FIRST):
                last = at + 1 if _complains(sentence, at + 1, start) else end
                options.append((start - at - 1, 1, Span(at, last, concept_id, end - start + 1)))
        if options:
            found.append(min(options, key=lambda option: option[:2])[2])
            found += _at_listed_places(sentence, found[-1], places, names)
    return found


def _at_listed_places(
    sentence: list[Token], joined: Span, places: Sequence[tuple[int, int, dict[str, str]]], names: tuple[str, str]
) -> list[Span]:
    """The other body parts of a list have the complaint, too: "swelling of your lips, tongue or throat", "chest or back pain".

    They are light: whatever else is found in their words is meant.
    """
    found, start, end = [], joined.start, joined.end
    for first, last, by_complaint in places:  # to the right
        concept_id = next((by_complaint[name] for name in names if name in by_complaint), None)
        begins_clause = last < len(sentence) and sentence[last].text in CLAUSE
        if concept_id and first >= end and _listed(sentence, end, first) and not begins_clause:
            found.append(Span(first, last, concept_id, LISTED))
            end = last
    for first, last, by_complaint in reversed(places):  # to the left
        concept_id = next((by_complaint[name] for name in names if name in by_complaint), None)
        if concept_id and last <= start and _listed(sentence, last, start):
            found.append(Span(first, last, concept_id, LISTED))
            start = first
    return found


def _listed(sentence: list[Token], start: int, end: int) -> bool:
    """Whether tokens [start, end) hold two items of a list together."""
    between = sentence[start:end]
    is_joined = any(token.text in AND_OR for token in between) or "," in sentence[start - 1].pause
    return is_joined and len(between) <= MAX_LISTED and all(token.text in IN_LISTS for token in between)


def _as_described(joined: list[Span], phrases: list[Span], bank: ConceptBank) -> list[Span]:
    """A complaint at a body part with the words that describe it: of "sharp pain in my chest", all is the chest pain."""
    found = []
    for span in joined:
        general = bank[span.concept_id].broader
        for phrase in phrases:
            overlaps = phrase.start < span.end and span.start < phrase.end
            if overlaps and phrase.concept_id in WHEN_MOVED and span.weight > 1:  # "chest pain when I walk" is chest pain
                span = replace(span, weight=max(span.weight, phrase.weight + 0.5))
            if overlaps and phrase.concept_id in general:
                weight = span.weight + phrase.weight - 1  # they share the complaint
                span = Span(min(span.start, phrase.start), max(span.end, phrase.end), span.concept_id, weight)
        found.append(span)
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
    if _complains(sentence, start, end):  # a list of complaints at one body part: "pain or swelling in my knee"
        return commas_ok and all(token.text in allowed | AND_OR or token.stem in COMPLAINTS for token in sentence[start:end])
    return commas_ok and all(token.text in allowed for token in sentence[start:end])


def _complains(sentence: list[Token], start: int, end: int) -> bool:
    """Whether another complaint stands in [start, end): it gets the body part's words, and this one its own alone."""
    return any(token.stem in COMPLAINTS for token in sentence[start:end])
