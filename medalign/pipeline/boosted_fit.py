"""Small trees that add up to log odds: for questions whose features only tell together, as "denied" and "said to be so" do."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit


@dataclass(frozen=True)
class Tree:
    """Nodes of one tree, the root first; a leaf has -1 as its children."""

    feature: tuple[int, ...]  # index of the feature that is asked
    at_most: tuple[float, ...]  # values up to it go left
    left: tuple[int, ...]  # index of the node
    right: tuple[int, ...]
    value: tuple[float, ...]  # of a leaf, in log odds

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return tuple(map(np.asarray, (self.feature, self.at_most, self.left, self.right, self.value)))

    def log_odds(self, rows: np.ndarray) -> np.ndarray:
        """(n,) of rows (n, k)."""
        feature, at_most, left, right, value = self._arrays
        node = np.zeros(len(rows), int)
        while (inner := left[node] >= 0).any():
            some = node[inner]
            goes_left = rows[inner, feature[some]] <= at_most[some]
            node[inner] = np.where(goes_left, left[some], right[some])
        return value[node]


@dataclass(frozen=True)
class BoostedFit:
    """Probability = sigmoid(sum of the trees + intercept)."""

    features: tuple[str, ...]  # names, in the order of the columns
    trees: tuple[Tree, ...]
    intercept: float
    threshold: float = 0.5  # probability from which on the answer is yes

    def probability(self, features: np.ndarray) -> np.ndarray:
        """(n,) of `features` (n, k)."""
        rows = np.asarray(features, float)
        return expit(self.intercept + sum((tree.log_odds(rows) for tree in self.trees), np.zeros(len(rows))))
