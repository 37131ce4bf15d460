"""What comparing a statement with a recording's words finds: features, and the sentences and places that tell them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from medalign.core.analysis import Evidence
from medalign.pipeline.notes.said import Fact

FEATURES = (
    "facts agree", "facts in both senses", "named contradiction", "facts differ", "facts absent", "denied facts absent",
    "status contradicted", "person contradicted", "medicines absent", "action contradicted", "numbers agree",
    "numbers elsewhere", "numbers absent", "number contradicted", "neighbours of numbers agree",
    "neighbours of numbers differ", "side agrees", "side contradicted", "relatives absent", "details agree",
    "details differ", "details unsaid", "certainty differs", "facts unspoken",
    "words in best stretches", "words anywhere", "rarest word missing", "log words", "negated",
    "best stretches negated", "negation differs", "examination", "assessment", "plan",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What a statement and a recording's words have to do with each other."""

    features: np.ndarray  # (len(FEATURES),)
    contradiction: str | None  # a sentence
    is_plain: bool  # it counts however well the rest of the statement fits: another value stands in the very place
    against: tuple[Evidence, ...]  # what contradicts
    evidence: tuple[Evidence, ...]  # facts and numbers that agree
    lacking: str | None  # a sentence: what of the statement is plainly not said, so that nothing can bear it out
    may_be_misheard: bool  # the words may lack it since the recogniser lost a name: the sound can tell
    is_only_possible: bool  # the recording speaks of it as possible, the statement doesn't
    facts: tuple[Fact, ...]  # of the statement

    def value(self, name: str) -> float:
        """Of the feature of that name."""
        return float(self.features[FEATURES.index(name)])


@dataclass
class Tally:
    """What comparing has found so far."""

    values: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FEATURES, 0.0))
    reasons: list[tuple[str, Sequence[Evidence]]] = field(default_factory=list)  # of contradictions: a sentence, what is said
    plain: list[tuple[str, Sequence[Evidence]]] = field(default_factory=list)  # those that count whatever else fits
    evidence: list[Evidence] = field(default_factory=list)
    unspoken: str | None = None  # what is never spoken of; most of a statement's words make up for it
    lacking: str | None = None  # a sentence; nothing makes up for it
    is_only_possible: bool = False
    known: set[str] = field(default_factory=set)  # stems of what is said of the statement's concepts

    def contradict(self, feature: str, reason: str, evidence: Sequence[Evidence], *, is_plain: bool = False) -> None:
        self.values[feature] += 1
        (self.plain if is_plain else self.reasons).append((reason, evidence))

    def lack(self, sentence: str) -> None:
        """What is plainly not said; the first counts."""
        self.lacking = self.lacking or sentence
