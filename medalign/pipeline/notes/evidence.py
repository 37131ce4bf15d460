"""How well statements of a note fit a recording's words and its sound, beside how well unrelated statements fit.

A cosine says nothing by itself: what counts is how many statements of other notes fit as well. Their embeddings are shipped,
their words are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medalign.pipeline.notes.said import Said, Stretch
from medalign.pipeline.notes.words import content, overlap

N_BEST = 3  # stretches that a statement is held against
OF_WORDS = 0.5  # weight of words in common beside a cosine, in choosing stretches


@dataclass(frozen=True)
class Fit:
    """How well each of n statements fits, by the best place; NaN where there is nothing to fit."""

    cosine: np.ndarray  # (n,) of the best place
    standard: np.ndarray  # (n,) that, in standard deviations above the unrelated statements
    as_well: np.ndarray  # (n,) share of the unrelated statements that fit as well
    place: np.ndarray  # (n,) index of the best place

    def at(self, rows: Sequence[int]) -> "Fit":
        """Of some of the statements."""
        kept = list(rows)
        return Fit(self.cosine[kept], self.standard[kept], self.as_well[kept], self.place[kept])


def fit(statements: np.ndarray, places: np.ndarray, references: np.ndarray) -> Fit:
    """
    Args:
        statements: (n, d) the teacher's embeddings.
        places: (m, d) of stretches of words, or of windows of sound.
        references: (r, d) the teacher's embeddings of unrelated statements.
    """
    if not len(places):
        nothing = np.full(len(statements), np.nan, np.float32)
        return Fit(nothing, nothing, nothing, np.full(len(statements), -1))
    cosines = statements @ places.T  # (n, m)
    best = cosines.max(1)
    unrelated = (references @ places.T).max(1)  # (r,)
    standard = (best - unrelated.mean()) / max(float(unrelated.std()), 1e-3)
    as_well = (unrelated[None, :] >= best[:, None]).mean(1)
    return Fit(best, standard, as_well, cosines.argmax(1))


def preferred(statements: np.ndarray, others: Sequence[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Whether each statement fits better than all that it is held against; True where there is nothing to hold, (n,) bool.

    Args:
        statements: (n, d) the teacher's embeddings.
        others: for each statement (k, d) of its counterfactuals; k may be 0.
        places: (m, d) of windows of sound.
    """
    if not len(places):
        return np.ones(len(statements), bool)
    best = (statements @ places.T).max(1)
    return np.array([not len(some) or value > (some @ places.T).max() for value, some in zip(best, others, strict=True)], bool)


def best_stretches(plain: str, statement: np.ndarray, said: Said, embedded: np.ndarray) -> list[Stretch]:
    """The stretches that a statement is held against, the best first; none of them overlap.

    Args:
        statement: (d,) its embedding.
        embedded: (m, d) of `said.stretches`.
    """
    if not len(embedded):
        return []
    wanted = content(plain)
    shared = np.array([overlap(wanted, stretch.stems) for stretch in said.stretches])
    found: list[Stretch] = []
    for at in np.argsort(-(embedded @ statement + OF_WORDS * shared), kind="stable"):
        stretch = said.stretches[at]
        if all(stretch.end_s <= other.start_s or stretch.start_s >= other.end_s for other in found):
            found.append(stretch)
        if len(found) == N_BEST:
            break
    return found
