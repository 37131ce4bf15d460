"""One form for everything that is fitted to answer yes or no: named features, their weights, and a threshold."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit


@dataclass(frozen=True)
class LogisticFit:
    """Probability = sigmoid(features @ weights + intercept)."""

    features: tuple[str, ...]  # names, in the order of the columns
    weights: tuple[float, ...]
    intercept: float
    threshold: float = 0.5  # probability from which on the answer is yes

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.features):
            raise ValueError(f"{len(self.features)} features have {len(self.weights)} weights")

    def probability(self, features: np.ndarray) -> np.ndarray:
        """(...,) of `features` (..., k)."""
        return expit(features @ np.asarray(self.weights) + self.intercept)
