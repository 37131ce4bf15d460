"""Statements of a note held against a recording: compared with its words, and with the sound itself; nothing is decided yet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medalign.concepts import ConceptBank
from medalign.concepts.notes import Clause
from medalign.models.teacher import Teacher
from medalign.pipeline.notes.anchor import ANCHOR, anchor_features
from medalign.pipeline.notes.claims import statement_said
from medalign.pipeline.notes.comparison import compare
from medalign.pipeline.notes.counterfactuals import counterfactuals
from medalign.pipeline.notes.evidence import Fit, best_stretches, fit, preferred
from medalign.pipeline.notes.places import PLACES, place_features
from medalign.pipeline.notes.said import Fact, Said, Stretch
from medalign.pipeline.notes.tally import Comparison

POLARITY, SENSE = "anchor polarity differs", "words said in its sense"  # by the network, and by rules
MOSTLY = 0.5
OPPOSITE = "where the recording speaks of this, it says the opposite"
UNSAID_IN_WORDS = {"concept": ("facts absent",), "number": ("numbers absent", "numbers elsewhere")}  # by features
FEW = 5  # statements; of fewer nobody can tell whether a note belongs
LEAST = 1e-3  # probabilities keep this far from 0 and 1


@dataclass(frozen=True)
class Held:
    """Statements held against a recording: all that the verdicts rest on."""

    clauses: tuple[Clause, ...]
    best: list[list[Stretch]]
    comparisons: list[Comparison]
    anchors: np.ndarray  # (n, len(ANCHOR))
    places: np.ndarray  # (n, len(PLACES))
    words: Fit
    sound: Fit
    preferred: np.ndarray  # (n,) bool: the sound fits it better than its counterfactuals
    windows_s: Sequence[tuple[float, float]] = ()  # those that `sound.place` counts
    doubted: Sequence[bool] = ()  # whether the recogniser was sure of no more than some of the words in each of them

    @property
    def is_enough(self) -> bool:
        """Whether there are statements enough to tell if they belong to the recording."""
        return sum(clause.is_claim for clause in self.clauses) >= FEW

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The note's."""
        return tuple(fact for comparison in self.comparisons for fact in comparison.facts)

    def contradiction(self, i: int) -> str | None:
        """What contradicts a statement: named by its facts, else by the sense in which its own words are said."""
        comparison = self.comparisons[i]
        polarity, sense = self.anchors[i, ANCHOR.index(POLARITY)], self.places[i, PLACES.index(SENSE)]
        is_told = comparison.value("words in best stretches") > MOSTLY and not comparison.lacking
        opposite = OPPOSITE if is_told and polarity > MOSTLY and sense < 0 else None
        return comparison.contradiction or opposite

    def at(self, rows: Sequence[int]) -> "Held":
        """Some of the statements."""
        return replace(
            self,
            clauses=tuple(self.clauses[i] for i in rows),
            best=[self.best[i] for i in rows],
            comparisons=[self.comparisons[i] for i in rows],
            anchors=self.anchors[list(rows)],
            places=self.places[list(rows)],
            words=self.words.at(rows),
            sound=self.sound.at(rows),
            preferred=self.preferred[list(rows)],
        )

    def word_features(self) -> np.ndarray:
        """(n, k) as `fits.WORDS` names them."""
        compared = np.stack([comparison.features for comparison in self.comparisons])
        return np.column_stack([compared, self.anchors, self.places, *_figures(self.words)])

    def sound_features(self) -> np.ndarray:
        """(n, k) as `fits.SOUND` names them."""
        return np.column_stack(_figures(self.sound)[1:])


def _figures(of: Fit) -> tuple[np.ndarray, ...]:
    known = np.nan_to_num(of.cosine), np.nan_to_num(of.standard), np.log10(np.nan_to_num(of.as_well, nan=1.0) + LEAST)
    return tuple(values.astype(np.float32) for values in known)


def hold_against(
    clauses: Sequence[Clause],
    said: Said,
    windows: np.ndarray,
    teacher: Teacher,
    references: np.ndarray,
    bank: ConceptBank,
    windows_s: Sequence[tuple[float, float]] = (),
) -> Held:
    """
    Args:
        windows: (m, d) the student's embeddings of the recording's windows with a voice in them; none where nothing was heard.
        references: (r, d) the teacher's embeddings of unrelated statements.
    """
    embedded = teacher.encode([clause.plain for clause in clauses])
    stretches = teacher.encode([stretch.text for stretch in said.stretches])
    best = [best_stretches(c.plain, e, said, stretches) for c, e in zip(clauses, embedded, strict=True)]
    comparisons = [compare(c, statement_said(c, bank), said, b, bank) for c, b in zip(clauses, best, strict=True)]
    others = [embedded[:0] for _ in clauses]
    if len(windows):
        others = _counterfactuals(clauses, comparisons, best, teacher, bank)
    return Held(
        tuple(clauses), best, comparisons, anchor_features(clauses, best, said), place_features(clauses, best, said),
        fit(embedded, stretches, references), fit(embedded, windows, references), preferred(embedded, others, windows),
        windows_s, [said.passages.is_doubted(*window) for window in windows_s],
    )  # fmt: skip


def _counterfactuals(
    clauses: Sequence[Clause],
    comparisons: Sequence[Comparison],
    best: Sequence[Sequence[Stretch]],
    teacher: Teacher,
    bank: ConceptBank,
) -> list[np.ndarray]:
    """The teacher's embeddings (k, d) of what each statement would say if it were wrong."""
    texts: list[list[str]] = []
    for clause, comparison, stretches in zip(clauses, comparisons, best, strict=True):
        lacking = [what for what, names in UNSAID_IN_WORDS.items() if any(comparison.value(name) for name in names)]
        numbers = frozenset().union(*(stretch.numbers for stretch in stretches))
        texts.append(counterfactuals(clause.plain, comparison.facts, lacking, numbers, bank))
    embedded = teacher.encode([text for some in texts for text in some])
    ends = np.cumsum([0, *map(len, texts)])
    return [embedded[a:b] for a, b in zip(ends, ends[1:], strict=False)]
