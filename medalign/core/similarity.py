"""How close embeddings are, as in sentence-transformers."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from medalign.core.errors import MedAlignError


def similarity(a: ArrayLike, b: ArrayLike) -> Float[np.ndarray, "n m"]:
    """Cosine of every row of `a` (n, d) with every row of `b` (m, d), in [-1, 1]; a vector (d,) counts as one row.

    >>> similarity([[1.0, 0.0], [3.0, 3.0]], [[2.0, 0.0], [0.0, -1.0]]).round(2)
    array([[ 1.  ,  0.  ],
           [ 0.71, -0.71]])

    Raises:
        MedAlignError: the rows have different widths, or are no rows at all.
    """
    rows = [np.atleast_2d(np.asarray(side, float)) for side in (a, b)]
    if any(side.ndim != 2 for side in rows) or rows[0].shape[1] != rows[1].shape[1]:
        shapes = " and ".join(str(np.shape(side)) for side in (a, b))
        raise MedAlignError(f"arrays of shapes {shapes} can't be compared; give embeddings (n, d) and (m, d)")
    unit_a, unit_b = (side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12) for side in rows)
    return (unit_a @ unit_b.T).clip(-1, 1) + 0.0  # no negative zero
