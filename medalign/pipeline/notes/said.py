"""What a recording says, in the form in which a note is held against it: stretches of its words, facts, numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from medalign.concepts import ConceptBank, Mention, find_mentions
from medalign.concepts.measurements import find_measurements
from medalign.concepts.numbers import find_numbers
from medalign.concepts.pieces import pieces_of
from medalign.concepts.tokens import phrase_tokens, stem, words_of
from medalign.core.analysis import Action, Analysis, Evidence, Measurement, Status
from medalign.core.transcript import Transcript, Word
from medalign.pipeline.assertion import revised
from medalign.pipeline.evidence import evidence_of, grouped_by_row, latest_action
from medalign.pipeline.notes.passages import Passages
from medalign.pipeline.notes.scales import Detail, details_of

STRETCH_WORDS = 12  # a stretch goes on until it has as many: single answers say nothing alone
ANSWER_WORDS = 6  # another speaker's words up to so many belong to what was asked
MAX_STRETCH = 34
BOTH_SIDES = "both sides"
SIDES = {
    "left": "left",
    "lt": "left",
    "right": "right",
    "rt": "right",
    "bilateral": BOTH_SIDES,
    "bilaterally": BOTH_SIDES,
    "both": BOTH_SIDES,
}
NO_SIDE = re.compile(
    r"\b(right (now|away|then|here|there|so|okay|ok|but|after|before|how|what|when|um|uh)|all right|that's right|"
    r"(has|have|had) left)\b",
    re.IGNORECASE,
)
SIDE_REACH, SIDE_BEFORE = 4, 2  # tokens
SMALL = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
NO_PART = words_of("the and you your his her have has had with for that this side one about okay yeah all are was were")


@dataclass(frozen=True)
class Stretch:
    """Some sentences that belong together, an answer with its question."""

    start_s: float
    end_s: float
    text: str

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(stem(token) for token in phrase_tokens(self.text))

    @cached_property
    def numbers(self) -> frozenset[float]:
        return numbers_of([Word(0.0, 0.0, word, 1.0) for word in self.text.split()])


@dataclass(frozen=True)
class Fact:
    """A concept in one sense, by a recording's words or by a statement's."""

    concept_id: str
    label: str
    category: str
    status: Status
    action: Action | None
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Said:
    """A recording's words."""

    transcript: Transcript
    facts: tuple[Fact, ...]
    measurements: tuple[Measurement, ...]

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """Each by itself, and each with the next: what is asked is often answered there."""
        single = _stretches(self.transcript)
        pairs = [Stretch(a.start_s, b.end_s, f"{a.text} {b.text}") for a, b in zip(single, single[1:], strict=False)]
        return (*single, *pairs)

    @cached_property
    def passages(self) -> Passages:
        return Passages(self.transcript)

    @cached_property
    def details(self) -> tuple[Detail, ...]:
        return tuple(details_of(self.passages, self.measurements))

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset().union(*(stretch.stems for stretch in self.stretches))

    @cached_property
    def numbers(self) -> frozenset[float]:
        return numbers_of(self.transcript.words)

    @cached_property
    def neighbours(self) -> dict[float, frozenset[str]]:
        return neighbours_of(self.transcript.words)

    @cached_property
    def roughly(self) -> dict[float, frozenset[str]]:
        """`neighbours`, with numbers that are said roughly: "a week" has 1, "a couple of weeks" 2."""
        return neighbours_of(self.transcript.words, roughly=True)

    @cached_property
    def sides(self) -> frozenset[tuple[str, str]]:
        return frozenset().union(*(sides_of(stretch.text) for stretch in self.stretches))

    @classmethod
    def from_analysis(cls, analysis: Analysis) -> "Said":
        rows = [
            Fact(c.concept_id, c.label, c.category, c.status, c.action, c.text_evidence)
            for c in analysis.concepts
            if c.status is not None
        ]
        return cls(analysis.transcript, tuple(rows), analysis.measurements)

    @classmethod
    def from_transcript(cls, transcript: Transcript, bank: ConceptBank) -> "Said":
        """Read anew: of words that people wrote down."""
        return cls.from_mentions(transcript, revised(transcript, find_mentions(transcript, bank), bank), bank)

    @classmethod
    def from_mentions(cls, transcript: Transcript, mentions: Sequence[Mention], bank: ConceptBank) -> "Said":
        """
        Args:
            mentions: with their final status.
        """
        rows = [
            Fact(concept_id, bank[concept_id].label, bank[concept_id].category, status, latest_action(group),
                 tuple(map(evidence_of, group)))
            for (concept_id, status), group in grouped_by_row(mentions, bank).items()
        ]  # fmt: skip
        return cls(transcript, tuple(rows), find_measurements(transcript, mentions, bank))


def sides_of(text: str) -> frozenset[tuple[str, str]]:
    """(side, stem of what is on it): "right wrist and hand" has right wrist and right hand, "both ankles" both."""
    tokens = phrase_tokens(NO_SIDE.sub(" ", text))
    found = set()
    for at, token in enumerate(tokens):
        if (side := SIDES.get(token)) is None:
            continue
        near = [t for t in tokens[at + 1 : at + 1 + SIDE_REACH] if t not in SIDES] + tokens[max(0, at - SIDE_BEFORE) : at]
        found |= {(side, stem(t)) for t in near if len(t) > 2 and t not in NO_PART}
    return frozenset(found)


def sides_named(text: str) -> frozenset[str]:
    """The sides that a text names, whatever is on them."""
    return frozenset(SIDES[token] for token in phrase_tokens(NO_SIDE.sub(" ", text)) if token in SIDES)


def neighbours_of(words: Sequence[Word], *, roughly: bool = False) -> dict[float, frozenset[str]]:
    """For each number the stems of the telling words right before and after it: "for 3 weeks" has week, "type 2" type."""
    pieces = pieces_of(words)
    found: dict[float, set[str]] = {}
    for number in find_numbers(pieces):
        if roughly or not number.vague:
            near = [
                piece.text for piece in (*pieces[max(0, number.start - 1) : number.start], *pieces[number.end : number.end + 1])
            ]
            found.setdefault(number.value, set()).update(stem(t) for t in near if len(t) > 2 and t not in NO_PART)
    return {value: frozenset(stems) for value, stems in found.items()}


def numbers_of(words: Sequence[Word]) -> frozenset[float]:
    """All numbers, in digits or in words; those that name something ("type 2", "section 16"), too."""
    pieces = pieces_of(words)
    read = {number.value for number in find_numbers(pieces) if not number.vague}
    return frozenset(read | {value for piece in pieces if (value := _naming(piece.text)) is not None})


def _naming(text: str) -> float | None:
    if text.isdecimal() and len(text) <= 4:
        return float(text)
    return float(SMALL.index(text)) if text in SMALL and text != "one" else None


@cache
def related(concept_id: str, bank: ConceptBank) -> frozenset[str]:
    """The concept with those that say the same more or less exactly."""
    if concept_id not in bank:
        return frozenset([concept_id])
    return frozenset([concept_id, *bank[concept_id].broader, *_narrower(bank).get(concept_id, ())])


@cache
def _narrower(bank: ConceptBank) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for concept in bank.concepts:
        for broader in concept.broader:
            found.setdefault(broader, []).append(concept.concept_id)
    return {key: tuple(ids) for key, ids in found.items()}


def _stretches(transcript: Transcript) -> list[Stretch]:
    found: list[list[Word]] = []
    current: list[Word] = []
    speaker = None
    for segment in transcript.segments:
        is_short = len(segment.words) <= ANSWER_WORDS
        if current and segment.speaker != speaker and not (is_short and len(current) < MAX_STRETCH):
            found.append(current)
            current = []
        if not is_short:
            speaker = segment.speaker
        for word in segment.words:
            current.append(word)
            is_end = bool(re.search(r"[.?!][\"')\]]*$", word.text))
            if is_end and len(current) >= STRETCH_WORDS and not word.text.endswith("?") or len(current) >= MAX_STRETCH:
                found.append(current)
                current = []
    if current:
        found.append(current)
    return [Stretch(words[0].start_s, words[-1].end_s, " ".join(word.text for word in words)) for words in found]
