"""Probes of a label: how well is it told from frozen features, in persons or places that the probe wasn't fitted on?

A probe is a linear map of the features, or of how alike a row is to the rows fitted on, by a Gaussian kernel. The latter finds
again a person, where recordings of one are on both sides.

Conventions: features are (n_clips, n_dims), labels are whole numbers from 0 (n_clips,), groups one name per clip; a fold is
(rows fitted on, rows measured on). Scores are (n_clips, k), higher is more likely: k is 1 for two classes, else one column a
class, each against the rest. Everything that is fitted or chosen (standardisation, strength, which of several features) is
so without the rows measured on.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances, linear_kernel, rbf_kernel
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold

from medalign.evaluation.concept_detection import column_auroc

Features = Float[np.ndarray, "clips dims"]
Labels = Int[np.ndarray, " clips"]
Groups = Sequence[str] | np.ndarray
Fold = tuple[np.ndarray, np.ndarray]
Kernel = Literal["linear", "gaussian"]

STRENGTHS = tuple(10.0**k for k in range(-2, 4))  # C of logistic regressions on features of unit mean square length
N_INNER_FOLDS = 3
MAX_ITERATIONS = 3000
RANK_TOLERANCE = 1e-10  # of the largest eigenvalue


def folds_by_group(labels: Labels, groups: Groups, n_folds: int, seed: int = 0) -> list[Fold]:
    """Folds that no group is cut by, with shares of the classes as equal as groups allow.

    Raises:
        ValueError: there is one class only, or a class is of fewer groups than there are folds.
    """
    groups = np.asarray(groups)
    if len(np.unique(labels)) < 2:
        raise ValueError("there is one class only")
    for label in np.unique(labels):
        if (n := len(np.unique(groups[labels == label]))) < n_folds:
            raise ValueError(f"a class is of {n} group(s), so it can't be in each of {n_folds} folds")
    split = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(labels, labels, groups)
    return [(fitted, measured) for fitted, measured in split]


def folds_by_subset(subsets: Groups) -> list[Fold]:
    """Each subset in turn is measured on, all others are fitted on."""
    return list(LeaveOneGroupOut().split(subsets, groups=subsets))


def held_out_scores(
    candidates: Sequence[Features],
    labels: Labels,
    folds: Sequence[Fold],
    inner_groups: Groups,
    *,
    kernel: Kernel = "linear",
    seed: int = 0,
) -> tuple[Float[np.ndarray, "clips k"], list[int]]:
    """Scores of each clip that is in a fold's rows measured on (NaN for others), and which of the candidates a fold chose.

    Args:
        candidates: features of the same clips, of which each fold chooses those, and the strength, with the best mean AUROC in
            `N_INNER_FOLDS` folds of the rows it is fitted on.
        inner_groups: what those inner folds are not cut by: persons, or subsets where one is left out.

    Raises:
        ValueError: features are not finite, or a fold is fitted on too few groups or a single class.
    """
    if not all(np.isfinite(features).all() for features in candidates):
        raise ValueError("features hold values that are not finite")
    truth, groups = one_column_a_class(labels), np.asarray(inner_groups)
    scores, chosen = np.full(truth.shape, np.nan), []
    for fitted, measured in folds:
        n_inner = min(N_INNER_FOLDS, *(len(np.unique(groups[fitted][labels[fitted] == c])) for c in np.unique(labels[fitted])))
        if n_inner < 2:
            raise ValueError("the rows that a fold is fitted on hold a class in fewer than two groups")
        inner = folds_by_group(labels[fitted], groups[fitted], n_inner, seed)
        figures = [_inner_auroc(features[fitted], truth[fitted], inner, kernel) for features in candidates]
        best, strength = np.unravel_index(np.nanargmax(figures), np.shape(figures))
        (scores[measured],) = _fit_and_score(candidates[int(best)], truth, (fitted, measured), [STRENGTHS[strength]], kernel)
        chosen.append(int(best))
    return scores, chosen


def one_column_a_class(labels: Labels) -> np.ndarray:
    """bool (n_clips, k): the second class for two, every class for more."""
    classes = np.unique(labels)
    return labels[:, None] == (classes[1:] if len(classes) == 2 else classes)


def mean_auroc(scores: Float[np.ndarray, "clips k"], truth: np.ndarray, strata: Int[np.ndarray, " clips"]) -> float:
    """Mean over strata of the mean AUROC over columns; what is not defined (one class only) is left out, NaN if all is."""
    figures = []
    for stratum in np.unique(strata):
        aurocs = column_auroc(scores[strata == stratum], truth[strata == stratum])
        if not np.isnan(aurocs).all():
            figures.append(np.nanmean(aurocs))
    return float(np.mean(figures)) if figures else float("nan")


def in_bins(values: Float[np.ndarray, " clips"], n_bins: int = 10) -> Features:
    """Membership in bins of about equal count: a linear map of it may rise and fall with the value."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="right")
    return (bins[:, None] == np.unique(bins)).astype(float)


def _inner_auroc(features: Features, truth: np.ndarray, folds: Sequence[Fold], kernel: Kernel) -> list[float]:
    """Mean AUROC over folds, for each strength."""
    figures = []
    for fold in folds:
        measured = truth[fold[1]]
        scores = _fit_and_score(features, truth, fold, STRENGTHS, kernel)
        figures.append([mean_auroc(of_strength, measured, np.zeros(len(measured), int)) for of_strength in scores])
    return np.mean(figures, 0).tolist()


def _fit_and_score(
    features: Features, truth: np.ndarray, fold: Fold, strengths: Sequence[float], kernel: Kernel
) -> list[np.ndarray]:
    """Scores (n_measured, k) for each strength."""
    fitted, measured = fold
    x = np.asarray(features[fitted], np.float64)
    mean, spread = x.mean(0), x.std(0)
    spread[spread < 1e-9] = np.inf  # a constant tells nothing
    scale = np.sqrt(max(1, np.isfinite(spread).sum()))
    x = (x - mean) / spread / scale
    held_out = (np.asarray(features[measured], np.float64) - mean) / spread / scale
    if kernel == "gaussian" or x.shape[1] > len(x):  # a linear fit in the space that the rows span, where it is cheaper
        products: Callable[[np.ndarray, np.ndarray], np.ndarray] = linear_kernel
        if kernel == "gaussian":  # 1 / e where the squared distance is the usual one
            products = partial(rbf_kernel, gamma=1 / max(float(np.median(euclidean_distances(x, squared=True))), 1e-12))
        squares, directions = np.linalg.eigh(products(x, x))
        kept = squares > RANK_TOLERANCE * squares[-1]
        lengths, directions = np.sqrt(squares[kept]), directions[:, kept]
        x, held_out = directions * lengths, products(held_out, x) @ (directions / lengths)
    scores = []
    for strength in strengths:
        columns = []
        for positive in truth[fitted].T:
            if positive.all() or not positive.any():  # a class that is nowhere in the rows fitted on
                columns.append(np.zeros(len(measured)))
                continue
            fit = LogisticRegression(C=strength, class_weight="balanced", max_iter=MAX_ITERATIONS).fit(x, positive)
            columns.append(fit.decision_function(held_out))
        scores.append(np.stack(columns, 1))
    return scores
