"""Concept detection: do scores put the clips in which a concept is mentioned above those in which it is not?

Conventions: scores and truth are (n_clips, n_concepts); higher means more likely; a concept is judged only if it has
enough mentions, and the mean is over concepts (macro).
"""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score


def per_concept(scores: np.ndarray, truth: np.ndarray, *, min_mentions: int) -> dict[int, dict[str, float]]:
    """AUROC, average precision and number of mentions for each concept with at least `min_mentions`, by column.

    Raises:
        ValueError: if shapes differ, or no concept has enough mentions.
    """
    if scores.shape != truth.shape:
        raise ValueError(f"scores are {scores.shape}, truth is {truth.shape}")
    counts = truth.sum(0)
    judged = [j for j in range(truth.shape[1]) if min_mentions <= counts[j] < len(truth)]
    if not judged:
        raise ValueError(f"no concept has {min_mentions} mentions in {len(truth)} clips")
    return {
        j: {
            "auroc": float(roc_auc_score(truth[:, j], scores[:, j])),
            "average_precision": float(average_precision_score(truth[:, j], scores[:, j])),
            "n_mentions": int(counts[j]),
        }
        for j in judged
    }


def mean_over_concepts(results: dict[int, dict[str, float]], metric: str) -> float:
    return float(np.mean([result[metric] for result in results.values()]))


def bootstrap_over_groups(
    scores: np.ndarray, truth: np.ndarray, groups: list[str], metric: str, *, min_mentions: int, n: int = 500, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the mean over concepts, resampling whole groups (consultations) with replacement.

    The concepts judged are those of the full sample, as far as a resample still holds them.
    """
    rng = np.random.default_rng(seed)
    judged = list(per_concept(scores, truth, min_mentions=min_mentions))
    ids = np.unique(groups, return_inverse=True)[1]
    members = [np.flatnonzero(ids == g) for g in range(ids.max() + 1)]
    values = []
    for _ in range(n):
        rows = np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))])
        results = per_concept(scores[rows][:, judged], truth[rows][:, judged], min_mentions=1)
        values.append(mean_over_concepts(results, metric))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
