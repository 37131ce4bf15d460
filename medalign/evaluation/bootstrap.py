"""How far would a figure move with other consultations? Intervals from resampling whole groups with replacement.

Conventions: a statistic maps rows (integer indices, with repeats) to a number; groups is one name per row; intervals are
the 2.5th and 97.5th percentile over resamples, moved so that the resamples' mean lies on the figure itself. Utterances of
one consultation resemble each other, so resampling rows would make intervals too narrow.

Why moved: a resample holds consultations twice and lacks others, so it ranks fewer distinct utterances and loses rare
concepts. That lifts average precision by more than it spreads: plain percentiles lay wholly above some figures.

Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13; Field and Welsh 2007, Bootstrapping
clustered data.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

Statistic = Callable[[np.ndarray], float]
Groups = Sequence[str] | np.ndarray
N_RESAMPLES = 500


def bootstrap_over_groups(statistic: Statistic, groups: Groups, n: int = N_RESAMPLES) -> tuple[float, float]:
    """95 % interval of the statistic. A resample in which it is not defined (NaN) is left out.

    Raises:
        ValueError: there are no groups, or the statistic is defined in no resample.
    """
    return _interval([statistic(rows) for rows in _resamples(groups, n)], statistic(np.arange(len(groups))))


def with_interval(statistic: Statistic, groups: Groups) -> list[float]:
    """[figure on all rows, lower, upper]; see `bootstrap_over_groups`."""
    return [statistic(np.arange(len(groups))), *bootstrap_over_groups(statistic, groups)]


def share(hits: Sequence[bool] | np.ndarray, groups: Groups) -> list[float]:
    """[share of rows that are hits, lower, upper]; NaN where there are no rows."""
    values = np.asarray(hits, float)
    return with_interval(lambda rows: float(values[rows].mean()), groups) if len(values) else [float("nan")] * 3


def paired_difference(first: Statistic, second: Statistic, groups: Groups) -> tuple[float, float, float]:
    """First minus second on all rows, and the 95 % interval of that difference, both measured on the same resamples.

    Two systems stumble over the same consultations, so this interval is narrower than those of the two figures suggest.

    Raises:
        ValueError: as `bootstrap_over_groups`.
    """
    everything = np.arange(len(groups))
    difference = float(first(everything) - second(everything))
    return difference, *_interval([first(rows) - second(rows) for rows in _resamples(groups, N_RESAMPLES)], difference)


def _resamples(groups: Groups, n: int) -> Iterator[np.ndarray]:
    if not len(groups):
        raise ValueError("there are no groups to resample")
    rng = np.random.default_rng(0)
    ids = np.unique(groups, return_inverse=True)[1]
    members = [np.flatnonzero(ids == g) for g in range(ids.max() + 1)]
    for _ in range(n):
        yield np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))])


def _interval(values: list[float], figure: float) -> tuple[float, float]:
    if np.isnan(values).all():
        raise ValueError("the statistic is defined in no resample")
    low, high = np.nanpercentile(values, [2.5, 97.5])
    shift = 0.0 if np.isnan(figure) else figure - np.nanmean(values)
    return float(low + shift), float(high + shift)
