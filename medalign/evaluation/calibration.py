"""Calibration: of all the times that a probability of about 0.7 was given, was it right in 70 % of them?

Conventions: probabilities and truth are (n,); bins are of equal count among the probabilities above `FLOOR`, since nearly
all (clip, concept) pairs are trivially absent and would make any model look calibrated.
"""

import numpy as np
from jaxtyping import Float, Shaped

N_BINS, FLOOR = 10, 0.05


def expected_calibration_error(probabilities: Float[np.ndarray, " n"], truth: Shaped[np.ndarray, " n"]) -> float:
    """Mean distance between the probability given and the share that was right, weighted by bin size.

    Raises:
        ValueError: if no probability lies above the floor.

    Source: Naeini et al. 2015, Obtaining Well Calibrated Probabilities Using Bayesian Binning; bins of equal count.
    """
    kept = probabilities >= FLOOR
    if not kept.any():
        raise ValueError(f"no probability lies above {FLOOR}")
    order = np.argsort(probabilities[kept], kind="stable")
    bins = np.array_split(order, min(N_BINS, len(order)))
    probabilities, truth = probabilities[kept], truth[kept]
    gaps = [abs(probabilities[b].mean() - truth[b].mean()) * len(b) for b in bins]
    return float(sum(gaps) / len(order))
