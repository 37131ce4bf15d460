"""What votes say about models, each figure with its n and a 95 % interval.

Conventions: votes are a data frame as `medalign.feedback` stores it, an empty one gives empty results. A submission is what
one person sent under one receipt. Only blind votes between two different models count: a known name sways.

Sources: Bradley and Terry 1952; Hunter 2004, MM algorithms for generalized Bradley-Terry models (Annals of Statistics 32);
Maystre and Grossglauser 2015, Fast and accurate inference of Plackett-Luce models (NeurIPS), whose iteration choix runs to
the same maximum; Wilson 1927 (intervals of shares).
"""

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import pandas as pd

Z_95 = 1.959964  # of the normal distribution, two-sided


@dataclass(frozen=True)
class RankedModel:
    """One model among those it met. Rates and strengths are None if all its votes were "both bad"."""

    model: str
    n: int  # votes behind the win rate: wins, losses and ties
    wins: int
    losses: int
    ties: int
    both_bad: int  # count for neither
    n_submissions: int  # with a vote on it
    win_rate: float | None = None  # a tie is half a win
    low: float | None = None
    high: float | None = None
    strength: float | None = None  # log-odds against the mean of all; 1 more wins 73 of 100
    strength_low: float | None = None
    strength_high: float | None = None


@dataclass(frozen=True)
class PositionBias:
    """Whether the side on the left wins more often than chance; sides are drawn by lot, so it should not."""

    n: int  # blind votes, ties included, "both bad" not
    left_wins: int
    right_wins: int
    ties: int
    share_left: float | None  # of the decided votes; None without any
    low: float | None  # exact (Clopper and Pearson)
    high: float | None
    p_value: float | None  # exact binomial, against one half


def ranking(votes: pd.DataFrame, n_bootstrap: int = 1000, seed: int = 0) -> tuple[RankedModel, ...]:
    """Every model that was voted on, the strongest first.

    Strengths are Bradley-Terry's, a tie counting as half a win for each. Each model is given one tie more, shared among all
    others, so that an unbeaten one stays finite and models that never met can be ordered; between two models this is the
    correction of Haldane (1956), half a win each.

    Intervals come from resampling submissions, since the votes of one person resemble each other. Where all votes agree
    every resample agrees, too, which is no certainty: so no interval is narrower than that of as many independent votes
    (Wilson's; for strengths, by the Fisher information).
    """
    votes = _blind(votes)
    models = sorted({*votes["model_a"], *votes["model_b"]})
    if not models:
        return ()
    won = _won(votes, models)  # (n_submissions, k, k)
    total = won.sum(0)
    strength = _strengths(total)
    deviation = _deviations(total, strength)
    counts = np.random.default_rng(seed).multinomial(len(won), np.full(len(won), 1 / len(won)), n_bootstrap)
    samples = np.tensordot(counts, won, 1)  # (n_bootstrap, k, k)
    played = (samples + samples.transpose(0, 2, 1)).sum(2)  # (n_bootstrap, k)
    absent = played == 0  # a resample without a model says nothing about it
    rates = np.where(absent, np.nan, samples.sum(2) / np.where(absent, 1, played))
    strengths = np.where(absent, np.nan, [_strengths(sample, strength) for sample in samples])
    margin = Z_95 * deviation
    rows = [_ranked(votes, m, strength[i], margin[i], rates[:, i], strengths[:, i]) for i, m in enumerate(models)]
    return tuple(sorted(rows, key=lambda row: (row.strength is None, -(row.strength or 0.0), row.model)))


def _blind(votes: pd.DataFrame) -> pd.DataFrame:
    return votes[votes["blind"].astype(bool) & (votes["model_a"] != votes["model_b"])]


def _won(votes: pd.DataFrame, models: list[str]) -> np.ndarray:
    """Wins of model i over model j in each submission, (n_submissions, k, k)."""
    people = pd.factorize(votes["submission_id"])[0]
    a, b = (pd.Index(models).get_indexer(votes[side]) for side in ("model_a", "model_b"))
    for_a = votes["choice"].map({"a": 1.0, "b": 0.0, "tie": 0.5}).to_numpy()
    decided = ~np.isnan(for_a)
    won = np.zeros((people.max() + 1, len(models), len(models)))
    np.add.at(won, (people[decided], a[decided], b[decided]), for_a[decided])
    np.add.at(won, (people[decided], b[decided], a[decided]), 1 - for_a[decided])
    return won


def _with_prior(won: np.ndarray) -> np.ndarray:
    k = len(won)
    return won + 0.5 / (k - 1) * (1 - np.eye(k))


def _strengths(won: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
    """Maximum likelihood, (k,), with mean 0; `near` is where to look first."""
    import choix  # brings scipy.optimize, a third of a second that the page need not wait for

    found = choix.ilsr_pairwise_dense(_with_prior(won), initial_params=near, max_iter=1000, tol=1e-6)
    return found - found.mean()


def _deviations(won: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Standard error of each strength, (k,), if votes were independent."""
    games = _with_prior(won) + _with_prior(won).T
    p = 1 / (1 + np.exp(strength - strength[:, None]))
    information = -games * p * (1 - p)
    np.fill_diagonal(information, -information.sum(1))
    return np.sqrt(np.diag(np.linalg.pinv(information, hermitian=True)))


def _ranked(
    votes: pd.DataFrame, model: str, strength: float, margin: float, rates: np.ndarray, strengths: np.ndarray
) -> RankedModel:
    """One model's row.

    Args:
        margin: half the width of the narrowest interval that the strength may have.
        rates, strengths: (n_bootstrap,) of resamples, NaN where it was absent.
    """
    met = votes[(votes["model_a"] == model) | (votes["model_b"] == model)]
    side = np.where(met["model_a"] == model, "a", "b")
    wins, ties, both_bad = (int((met["choice"] == choice).sum()) for choice in (side, "tie", "both_bad"))
    n = len(met) - both_bad
    counted = RankedModel(model, n, wins, n - wins - ties, ties, both_bad, met["submission_id"].nunique())
    if not n:
        return counted
    (low, strength_low), (high, strength_high) = np.nanpercentile([rates, strengths], (2.5, 97.5), axis=1)
    least_low, least_high = wilson(wins + ties / 2, n)
    return replace(
        counted,
        win_rate=(wins + ties / 2) / n,
        low=float(min(low, least_low)),
        high=float(max(high, least_high)),
        strength=float(strength),
        strength_low=float(min(strength_low, strength - margin)),
        strength_high=float(max(strength_high, strength + margin)),
    )


def wilson(successes: float, n: int) -> tuple[float, float]:
    """95 % interval of a share. As scipy's, which takes whole successes only; a tie is half of one."""
    share, z2 = successes / n, Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def position_bias(votes: pd.DataFrame) -> PositionBias:
    """How often the left side won, over all blind votes."""
    votes = _blind(votes)
    decided = votes[votes["choice"].isin(["a", "b"])]
    left_wins, ties = int((decided["choice"] == decided["left"]).sum()), int((votes["choice"] == "tie").sum())
    n = len(decided)
    if n == 0:
        return PositionBias(ties, 0, 0, ties, None, None, None, None)
    from scipy.stats import binomtest  # half a second that the page need not wait for

    test = binomtest(left_wins, n)
    interval = test.proportion_ci()
    figures = (left_wins / n, float(interval.low), float(interval.high), float(test.pvalue))
    return PositionBias(n + ties, left_wins, n - left_wins, ties, *figures)
