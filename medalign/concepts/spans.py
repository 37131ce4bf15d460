"""Which words of a sentence mean which concept: phrases of the bank, patterns with gaps, and complaints at body parts.

The longest wording wins. Matching compares stems, so inflections and both spellings of English are found; fillers ("um"),
articles and weak modifiers may stand inside a wording; a complaint and a body part are joined in either order ("my chest
really hurts", "pain in my chest").
"""

from dataclasses import dataclass

from medalign.concepts.bank import BLOCKED, FILLERS, GAP, SKIPPABLE, ConceptBank
from medalign.concepts.tokens import PhraseTree, Token, data_rows, stem, words_of

MAX_SKIPPED = 5  # skippable words inside one wording
MAX_GAP = 4  # words of any kind in the gap of a pattern
MAX_BRIDGE = 8  # words between a complaint and its body part

# By stem, the complaint, and another that serves where a body part has none of its own: tenderness of the knee is knee pain.
COMPLAINTS = {
    stem(word): (row["complaint"], row["otherwise"]) for row in data_rows("complaints.csv") for word in row["words"].split()
}
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


@dataclass(frozen=True, slots=True)
class Span:
    """A concept at tokens [start, end) of a sentence; `weight` counts the tokens of its wording."""

    start: int
    end: int
    concept_id: str  # BLOCKED loses a tie
    weight: float


def find_spans(sentence: list[Token], bank: ConceptBank) -> list[Span]:
    """The concepts in the words of one sentence, in order: the heaviest wording wins, and none overlap."""
    found = _phrases(sentence, bank.phrases)
    found += _complaints_at_places(sentence, bank.places)
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
    for at, names in complaints:
        options = []
        for start, end, by_complaint in places:
            concept_id = next((by_complaint[name] for name in names if name in by_complaint), None)
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
