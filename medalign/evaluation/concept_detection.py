"""Concept detection: do scores put the clips in which a concept is mentioned above those in which it is not?

Conventions: scores and truth are (n_clips, n_concepts); higher means more likely; a concept is evaluated only if it has
enough mentions, and the mean is over concepts (macro).

Both metrics are computed here for all concepts at once, which the bootstrap needs: scikit-learn's take a column at a time
and are the measure in the tests.
"""

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

Scores = Float[np.ndarray, "clips concepts"]
Truth = Shaped[np.ndarray, "clips concepts"]


def column_auroc(scores: Scores, truth: Truth) -> Float[np.ndarray, " concepts"]:
    """Chance that a mention scores above a clip without one, ties counting half.

    NaN for concepts that are mentioned in no clip or in all, or whose scores hold a NaN.

    Raises:
        ValueError: if shapes differ.

    Source: Hanley and McNeil 1982, The meaning and use of the area under a ROC curve.
    """
    mentioned, first, last, defined = _sorted(scores, truth)
    n_negatives = (~mentioned).sum(1, keepdims=True)
    above = np.cumsum(~mentioned, 1, dtype=np.int64)  # clips without a mention, up to here
    not_below = np.take_along_axis(above, last, 1)
    before_tie = np.where(first > 0, np.take_along_axis(above, np.maximum(first - 1, 0), 1), 0)
    won = (n_negatives - (not_below + before_tie) / 2) * mentioned
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(defined, won.sum(1) / (mentioned.sum(1) * n_negatives[:, 0]), np.nan)


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
    mentioned, _, last, defined = _sorted(scores, truth)
    precision = np.take_along_axis(np.cumsum(mentioned, 1, dtype=np.int64), last, 1) / (last + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(defined, (precision * mentioned).sum(1) / mentioned.sum(1), np.nan)


def _sorted(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Truth by falling score, the first and last place of each clip's tie, all (n_concepts, n_clips), and what is defined."""
    if scores.shape != truth.shape:
        raise ValueError(f"scores are {scores.shape}, truth is {truth.shape}")
    by_concept, mentioned = np.ascontiguousarray(scores.T), np.ascontiguousarray(truth.T).astype(bool)
    order = np.argsort(-by_concept, 1)  # the order inside a tie changes nothing; a stable sort takes several times as long
    by_concept, mentioned = np.take_along_axis(by_concept, order, 1), np.take_along_axis(mentioned, order, 1)
    places = np.arange(by_concept.shape[1])
    steps = by_concept[:, 1:] != by_concept[:, :-1]
    edge = np.ones((len(by_concept), 1), bool)
    first = np.maximum.accumulate(np.where(np.hstack([edge, steps]), places, 0), 1)
    ends = np.where(np.hstack([steps, edge]), places, len(places))
    last = np.minimum.accumulate(ends[:, ::-1], 1)[:, ::-1]
    return mentioned, first, last, mentioned.any(1) & ~mentioned.all(1) & ~np.isnan(by_concept).any(1)


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
