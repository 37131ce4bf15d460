"""Retrieval: does the audio find its own text among others?

Conventions: similarities are (n_queries, n_texts); the true text of query i is column i. Texts that are equal to the true
one count as hits. A tie counts against the query.
"""

import numpy as np


def ranks(similarity: np.ndarray, texts: list[str]) -> np.ndarray:
    """Rank of the best text equal to the query's own, 1 is best; (n,)."""
    ids = np.unique(texts, return_inverse=True)[1]
    same = ids[:, None] == ids[None, :]
    own = np.where(same, similarity, -np.inf).max(1, keepdims=True)
    return 1 + ((similarity >= own) & ~same).sum(1)


def recall_at_k(similarity: np.ndarray, texts: list[str], *, pool: int, k: tuple[int, ...] = (1, 10)) -> dict[str, float]:
    """Mean recall over consecutive pools of `pool` queries, so that n is comparable between data sets.

    Raises:
        ValueError: if there are fewer queries than one pool.
    """
    n_pools = len(texts) // pool
    if n_pools == 0:
        raise ValueError(f"retrieval among {pool} needs at least {pool} pairs, got {len(texts)}")
    found = []
    for i in range(n_pools):
        part = slice(i * pool, (i + 1) * pool)
        found.append(ranks(similarity[part, part], texts[part]))
    return {f"recall@{at}": float((np.concatenate(found) <= at).mean()) for at in k}
