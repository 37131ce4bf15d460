"""Linear probes: how much of the concepts lies in frozen embeddings, if a linear map may be fitted to them?

Conventions: embeddings are (n_clips, n_dims), truth is bool (n_clips, n_concepts), scores are (n_clips, n_concepts);
higher means more likely. Scores are least-squares predictions of 0 and 1: for ranking, not probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from medalign.evaluation.concept_detection import Scores, Truth

Embeddings = Float[np.ndarray, "clips dims"]

# Ridge strengths tried, as a share of the mean eigenvalue of the standardised embeddings' Gram matrix.
STRENGTHS = np.logspace(-4, 3, 15)


@dataclass(frozen=True)
class LinearProbe:
    """A linear map from embeddings to one score per concept."""

    scaler: StandardScaler
    ridge: RidgeCV  # of standardised embeddings, to standardised truth
    share: Float[np.ndarray, " concepts"]  # of the clips that mention it
    spread: Float[np.ndarray, " concepts"]  # standard deviation of the truth; 1 where all clips are alike
    strength: float  # the one of `STRENGTHS` that was chosen

    @classmethod
    def fit(cls, embeddings: Embeddings, truth: Truth) -> "LinearProbe":
        """Ridge regression on 0 and 1; the strength has the least leave-one-out error on these clips.

        One strength for all concepts, each counting alike: with five mentions, a concept's own error is too noisy to
        choose by.

        Raises:
            ValueError: if the numbers of clips differ or are below two, or an embedding is not finite.
        """
        embeddings = _checked(embeddings, truth)
        scaler = StandardScaler().fit(embeddings)
        x = scaler.transform(embeddings)
        share, spread = truth.mean(0), truth.std(0)
        spread = np.where(spread > 0, spread, 1.0)
        unit = max(float(np.sum(x**2)) / min(x.shape), 1e-12)
        ridge = RidgeCV(alphas=STRENGTHS * unit).fit(x, (truth - share) / spread)
        return cls(scaler, ridge, share, spread, float(ridge.alpha_ / unit))

    def scores(self, embeddings: Embeddings) -> Scores:
        predicted = self.ridge.predict(self.scaler.transform(np.asarray(embeddings, np.float64)))
        return predicted.reshape(len(embeddings), -1) * self.spread + self.share


def cross_validated_probe(
    embeddings: Embeddings, truth: Truth, groups: Sequence[str], *, n_folds: int = 5, min_mentions: int = 5, seed: int = 0
) -> Scores:
    """Scores of each clip by a probe that was fitted without its group (consultation), above that probe's intercept.

    Everything fitted, standardisation and ridge strength included, is fitted on the other folds. NaN in the columns of
    concepts with fewer than `min_mentions` mentions, or with mentions in one group only.

    Raises:
        ValueError: if the numbers of clips differ, there are fewer groups than folds, or an embedding is not finite.
    """
    embeddings = _checked(embeddings, truth)
    if len(groups) != len(truth):
        raise ValueError(f"{len(truth)} clips have {len(groups)} groups")
    ids = np.unique(groups, return_inverse=True)[1]
    n_groups = int(ids.max()) + 1
    if n_folds < 2 or n_groups < n_folds:
        raise ValueError(f"{n_groups} groups can't be cut into {n_folds} folds")
    groups_with = np.array([len(np.unique(ids[column])) for column in truth.T.astype(bool)], dtype=int)
    kept = np.flatnonzero((truth.sum(0) >= min_mentions) & (groups_with >= 2))
    scores = np.full(truth.shape, np.nan)
    if not len(kept):
        return scores  # nothing was said often enough
    fold_of = _folds(np.bincount(ids), n_folds, seed)[ids]
    for fold in range(n_folds):
        held_out = fold_of == fold
        probe = LinearProbe.fit(embeddings[~held_out], truth[~held_out][:, kept])
        # One average precision ranks clips of all folds together. Predictions of 0 and 1 lie on one scale in each fold,
        # but for the intercept, the share of mentions outside the fold: it is low just where the fold has many (with
        # noise as embeddings, AUROC would fall to 0.45), so it is taken off. Nothing is fitted to the held-out clips.
        # Source: Parker, Guenter and Bedo 2007, Stratification bias in low signal microarray studies.
        scores[np.ix_(held_out, kept)] = probe.scores(embeddings[held_out]) - probe.share
    return scores


def _checked(embeddings: Embeddings, truth: Truth) -> np.ndarray:
    if embeddings.ndim != 2 or truth.ndim != 2 or len(embeddings) != len(truth) or len(truth) < 2:
        raise ValueError(f"embeddings are {embeddings.shape}, truth is {truth.shape}")
    if not np.isfinite(embeddings).all():
        raise ValueError("embeddings hold values that are not finite")
    return np.asarray(embeddings, np.float64)


def _folds(sizes: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """The fold of each group: the largest first, each to the fold with the fewest clips; equal sizes in random order."""
    order = np.random.default_rng(seed).permutation(len(sizes))
    fold_of, filled = np.zeros(len(sizes), int), np.zeros(n_folds, int)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of
