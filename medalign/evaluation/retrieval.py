"""Retrieval: does the audio find its own text among others?

Conventions: similarities are (n_queries, n_texts); the true text of query i is column i. Texts that are equal to the true
one count as hits. A tie counts against the query.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

Similarity = Float[np.ndarray, "queries texts"]


def ranks(similarity: Similarity, texts: Sequence[str]) -> Int[np.ndarray, " queries"]:
    """Rank of the best text equal to the query's own, 1 is best."""
    ids = np.unique(texts, return_inverse=True)[1]
    same = ids[:, None] == ids[None, :]
    own = np.where(same, similarity, -np.inf).max(1, keepdims=True)
    return 1 + ((similarity >= own) & ~same).sum(1)


def pooled_ranks(similarity: Similarity, texts: Sequence[str], *, pool: int) -> Int[np.ndarray, " used"]:
    """Ranks within consecutive pools of `pool` queries and their texts, 1 is best, so that n is comparable between data sets.

    They are those of the first queries: what does not fill a last pool is left out.

    Raises:
        ValueError: if there are fewer queries than one pool.
    """
    if len(texts) < pool:
        raise ValueError(f"retrieval among {pool} needs at least {pool} pairs, got {len(texts)}")
    starts = range(0, len(texts) - pool + 1, pool)
    return np.concatenate([ranks(similarity[i : i + pool, i : i + pool], texts[i : i + pool]) for i in starts])


def recall_at_k(similarity: Similarity, texts: Sequence[str], *, pool: int, k: tuple[int, ...] = (1, 10)) -> dict[str, float]:
    """Mean recall over consecutive pools of `pool` queries, so that n is comparable between data sets.

    Raises:
        ValueError: if there are fewer queries than one pool.
    """
    found = pooled_ranks(similarity, texts, pool=pool)
    return {f"recall@{at}": float((found <= at).mean()) for at in k}
