"""Concept detection: do scores put the clips in which a concept is mentioned above those in which it is not?

Conventions: scores and truth are (n_clips, n_concepts); higher means more likely; a concept is evaluated only if it has
enough mentions, and the mean is over concepts (macro).

Both metrics are computed here for all concepts at once, which the bootstrap needs: scikit-learn's take a column at a time
and are the measure in the tests.
"""

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike
from scipy.stats import rankdata

Scores = Float[np.ndarray, "clips concepts"]
Truth = Shaped[np.ndarray, "clips concepts"]


def column_auroc(scores: Scores, truth: Truth) -> Float[np.ndarray, " concepts"]:
    """Chance that a mention scores above a clip without one, ties counting half.

    NaN for concepts that are mentioned in no clip or in all, or whose scores hold a NaN.

    Raises:
        ValueError: if shapes differ.

    Source: Hanley and McNeil 1982, The meaning and use of the area under a ROC curve.
    """
    mentioned, n, defined = _counted(scores, truth)
    won = (rankdata(scores, axis=0) * mentioned).sum(0) - n * (n + 1) / 2  # Mann and Whitney's U
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(defined, won / (n * (len(truth) - n)), np.nan)


def auroc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Chance that one of the first scores lies above one of the second, ties counting half; NaN if there are none of either."""
    scores = np.concatenate([positive, negative])[:, None]
    return float(column_auroc(scores, np.arange(len(scores))[:, None] < np.size(positive))[0])


def column_average_precision(scores: Scores, truth: Truth) -> Float[np.ndarray, " concepts"]:
    """Mean over mentions of the precision at their score, equal scores taken together.

    NaN for concepts that are mentioned in no clip or in all, or whose scores hold a NaN.

    Raises:
        ValueError: if shapes differ.

    Source: the sum over thresholds of scikit-learn's `average_precision_score`, without interpolation.
    """
    mentioned, n, defined = _counted(scores, truth)
    last = np.where(defined, rankdata(-scores, "max", axis=0), 1).astype(int)  # place of the last of each clip's tie, from 1
    found = np.cumsum(np.take_along_axis(mentioned, np.argsort(-scores, 0), 0), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(defined, (np.take_along_axis(found, last - 1, 0) / last * mentioned).sum(0) / n, np.nan)


def _counted(scores: Scores, truth: Truth) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth as bool; of each concept how many clips mention it, and whether its figures are defined."""
    if scores.shape != truth.shape:
        raise ValueError(f"scores are {scores.shape}, truth is {truth.shape}")
    mentioned = np.asarray(truth).astype(bool)
    return mentioned, mentioned.sum(0), mentioned.any(0) & ~mentioned.all(0) & ~np.isnan(scores).any(0)


def macro_figures(scores: Scores, truth: Truth, *, min_mentions: int) -> dict[str, float]:
    """AUROC and average precision, means over the concepts with at least `min_mentions`, and how many concepts these are.

    Raises:
        ValueError: if shapes differ, no concept has enough mentions, or a score of an evaluated concept is not a number.
    """
    auroc, average_precision = column_auroc(scores, truth), column_average_precision(scores, truth)
    evaluated = (truth.sum(0) >= min_mentions) & (truth.sum(0) < len(truth))
    if not evaluated.any():
        raise ValueError(f"no concept has {min_mentions} mentions in {len(truth)} clips")
    if np.isnan(auroc[evaluated]).any():
        raise ValueError("scores of evaluated concepts hold NaN")
    means = {"auroc": auroc, "average_precision": average_precision}
    return {name: float(values[evaluated].mean()) for name, values in means.items()} | {"n_concepts": int(evaluated.sum())}
