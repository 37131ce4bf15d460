"""A place that a person should hear again, and the order of such places: what a mistake would cost most comes first."""

from dataclasses import dataclass
from typing import Literal

from medalign.concepts.bank import is_allergy
from medalign.core.analysis import Analysis, Evidence, Status

Kind = Literal[
    "medicine", "number", "negation", "contradiction", "unsure", "missed_speech", "name", "other_language", "mismatch",
    "transcription_error", "unclear", "only_heard",
]  # fmt: skip
# By what a mistake would cost, most first; of one line the likeliest mistake comes first, and ahead of it a medicine that is
# said to be taken and not to be. A medicine, an allergy, a negation or a contradiction is ahead of all, a number only where
# it is a medicine's; a number or a negation with no fact near it is behind all.
ORDER: tuple[tuple[Kind, ...], ...] = (
    ("medicine", "negation", "contradiction"), ("missed_speech",), ("name", "unsure"), ("number",),
    ("other_language", "mismatch"), ("transcription_error",), ("unclear",), ("only_heard",),
)  # fmt: skip
LOST_DOSE, LOST_NAME = "a dose without a medicine; listen", "something is taken, and no medicine is written; listen"
MAX_SAID = 22  # characters of what is written, on a button
OF_SEGMENTS: frozenset[Kind] = frozenset(["mismatch", "transcription_error", "other_language"])


@dataclass(frozen=True)
class Doubt:
    """One place to listen to, and why."""

    kind: Kind
    start_s: float
    end_s: float
    said: str  # as the transcript has it; empty where it has nothing
    reason: str
    suggestion: str | None = None  # what the sound suggests instead, or is easily taken for what is written
    probability: float | None = None  # that what is written, or read, here is a mistake
    concept_id: str | None = None  # the concept in doubt, if it is one
    correction: int | None = None  # index of the suggestion in `Analysis.corrections`, if it can be accepted
    taken: str | None = None  # for what the words are taken, where that is in doubt and not the words
    status: Status | None = None  # of the concept, as it is taken
    other: Status | None = None  # that the words may give it as well
    heard: str | None = None  # a concept that the sound is like, of which no word near is written: what may have been said
    also: tuple["Doubt", ...] = ()  # the same words, with the same in doubt, at other places: judged as one

    @property
    def places(self) -> tuple["Doubt", ...]:
        """This one and those alike."""
        return (self, *self.also)

    @property
    def key(self) -> str:
        """Tells it from the others of one recording, also after words elsewhere were changed."""
        return f"{self.kind} {self.start_s:.2f} {self.end_s:.2f} {self.concept_id or ''}"


def rank(analysis: Analysis, doubt: Doubt) -> int:
    """Place in `ORDER` by what a mistake would cost."""
    concept_id = doubt.concept_id if doubt.correction is None else analysis.corrections[doubt.correction].concept_id
    labels = {c.concept_id: c.label for c in analysis.concepts}
    if concept_id and is_allergy(concept_id, labels.get(concept_id, "")):
        return 0
    if doubt.kind in OF_SEGMENTS or doubt.kind in ("name", "unclear", "unsure"):
        beside = [c for c in analysis.concepts if any(_is_in_one_segment(analysis, doubt, e) for e in c.text_evidence)]
        if any(is_allergy(c.concept_id, c.label) for c in beside):
            return 0  # "I'm allergic to treatment of sperm"
        if doubt.kind in OF_SEGMENTS and any(c.category == "medicine" for c in beside):
            return 1
    if doubt.kind in ("number", "negation") and not concept_id:
        measured = [m for m in analysis.measurements if m.start_s < doubt.end_s and m.end_s > doubt.start_s]
        near = [s for s in analysis.transcript.segments if s.start_s < doubt.end_s and s.end_s > doubt.start_s]
        spoken = [
            c for c in analysis.concepts for e in c.text_evidence for s in near if s.start_s < e.end_s and s.end_s > e.start_s
        ]
        if not measured and not spoken:
            return len(ORDER)
        if any(c.category == "medicine" for c in spoken):
            return 0
    return next(place for place, kinds in enumerate(ORDER) if doubt.kind in kinds)


def _is_in_one_segment(analysis: Analysis, doubt: Doubt, place: Evidence) -> bool:
    return any(
        s.start_s < doubt.end_s and s.end_s > doubt.start_s and s.start_s < place.words_end_s and s.end_s > place.start_s
        for s in analysis.transcript.segments
    )


def as_it_stands(doubt: Doubt) -> str:
    """What a press says that finds the place right: `Keep “Remipreal”`, `Denied is right`; never to be read either way."""
    named = {"contradiction": "Both were said", "missed_speech": "Nothing is missing", "only_heard": "Not said"}
    if doubt.kind in named:
        return named[doubt.kind]
    if doubt.reason in (LOST_DOSE, LOST_NAME):
        return "No medicine here"
    if doubt.taken:
        return f"{doubt.taken[:1].upper()}{doubt.taken[1:]} is right"
    return "The words are right" if doubt.kind in OF_SEGMENTS else f"Keep “{_short(doubt.said)}”"


def otherwise(doubt: Doubt) -> str:
    """What a press says that chooses the other answer, where there is one: `Present is right`, `Not said`."""
    if not doubt.taken or doubt.concept_id is None:
        return ""
    return f"{'Denied' if doubt.other == 'negated' else 'Present'} is right" if doubt.other else "Not said"


def _short(said: str) -> str:
    return said if len(said) <= MAX_SAID else said[: MAX_SAID - 1] + "…"
