"""How alike are two spaces, of the same clips? Of their distances as a whole, and of who is near whom.

Conventions: row i of both is of the same clip; widths may differ.
"""

import numpy as np
from jaxtyping import Float

Rows = Float[np.ndarray, "n d"]


def debiased_cka(first: Rows, second: Rows) -> float:
    """Debiased linear CKA: 1 for spaces equal up to rotation and scale, about 0 for unrelated ones; may be slightly below 0.

    Raises:
        ValueError: fewer than 4 rows, or rows of one side that are all alike.

    Source: Kornblith et al. 2019, with the HSIC of Song et al. 2012, eq. 5.
    """
    if len(first) < 4 or len(first) != len(second):
        raise ValueError(f"debiased CKA needs the same 4 rows or more on both sides, got {len(first)} and {len(second)}")
    k, m = (_gram(np.asarray(rows, np.float64)) for rows in (first, second))
    own = _hsic(k, k) * _hsic(m, m)
    if not own > 0:
        raise ValueError("the rows of one side are all alike, so that nothing can be compared")
    return float(_hsic(k, m) / np.sqrt(own))


def mutual_neighbours(first: Rows, second: Rows, k: int) -> Float[np.ndarray, " n"]:
    """The share of each row's k nearest rows, by cosine, that it has in both spaces.

    Raises:
        ValueError: no more than k rows, or different numbers of them.

    Source: Huh et al. 2024, The Platonic Representation Hypothesis (arXiv 2405.07987), section 2.
    """
    if len(first) <= k or len(first) != len(second):
        raise ValueError(f"{k} nearest rows need more than {k} rows, the same on both sides; got {len(first)}, {len(second)}")
    near = [_nearest(rows, k) for rows in (first, second)]
    return (near[0] & near[1]).sum(1) / k


def _nearest(rows: Rows, k: int) -> np.ndarray:
    """(n, n) bool: whether the column is one of the row's k nearest."""
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    near = np.zeros(likeness.shape, bool)
    np.put_along_axis(near, np.argsort(-likeness, 1, kind="stable")[:, :k], True, 1)
    return near


def _gram(rows: Rows) -> np.ndarray:
    centred = rows - rows.mean(0)
    if np.linalg.norm(centred) <= 1e-7 * np.linalg.norm(rows):  # rounding alone is left
        return np.zeros((len(rows), len(rows)))
    gram = centred @ centred.T
    np.fill_diagonal(gram, 0.0)
    return gram


def _hsic(k: np.ndarray, m: np.ndarray) -> float:
    n = len(k)
    means = k.sum() * m.sum() / ((n - 1) * (n - 2))
    cross = 2 / (n - 2) * (k.sum(0) * m.sum(0)).sum()
    return float((k * m).sum() + means - cross) / (n * (n - 3))
