"""Logistic fits by scikit-learn, in the one form that a student's folder keeps."""

from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from medalign.core.errors import DataError
from medalign.pipeline.calibration import FEATURES
from medalign.pipeline.logistic_fit import LogisticFit


def fit_logistic(
    name: str, features: np.ndarray, truth: np.ndarray, *, inverse_regularisation: float = 1.0, standardise: bool = False
) -> LogisticFit:
    """Weights for the fit `name` of `medalign.pipeline.calibration.FEATURES`.

    Args:
        features: (n, k).
        truth: (n,) bool.
        standardise: regularise weights of features at one scale; the fit that is returned takes them as they are.

    Raises:
        DataError: nothing is true, or everything is.
    """
    truth = np.asarray(truth, bool)
    if truth.all() or not truth.any():
        raise DataError(f"'{name}': {int(truth.sum())} of {len(truth)} cases are positive; too few to fit on, give more speech")
    scaler = StandardScaler(with_mean=standardise, with_std=standardise).fit(features)
    model = LogisticRegression(C=inverse_regularisation, max_iter=5000).fit(scaler.transform(features), truth)
    weights, intercept = model.coef_[0], float(model.intercept_[0])
    if standardise:
        weights = weights / scaler.scale_
        intercept -= float(weights @ scaler.mean_)
    return LogisticFit(FEATURES[name], tuple(weights.tolist()), intercept)


def recalibrated(fit: LogisticFit, features: np.ndarray, truth: np.ndarray) -> LogisticFit:
    """The same ranking with probabilities of other data: slope and intercept of its log-odds fitted anew (Platt 1999).

    Raises:
        DataError: nothing is true, or everything is.
    """
    log_odds = features @ np.array(fit.weights) + fit.intercept
    if truth.all() or not truth.any():
        raise DataError(f"{int(truth.sum())} of {len(truth)} cases are positive; too few to calibrate on, give more speech")
    model = LogisticRegression(max_iter=5000).fit(log_odds[:, None], truth)
    slope = float(model.coef_[0, 0])
    weights = tuple(slope * weight for weight in fit.weights)
    return replace(fit, weights=weights, intercept=slope * fit.intercept + float(model.intercept_[0]))


def threshold_of_best_f1(probabilities: np.ndarray, truth: np.ndarray, n_positive: int | None = None) -> float:
    """The probability from which on F1 is highest.

    Args:
        n_positive: how many there are, with those that have no probability; those in `truth` if not given.
    """
    order = np.argsort(-probabilities, kind="stable")
    n_true = np.cumsum(truth[order])
    f1 = 2 * n_true / (np.arange(1, len(order) + 1) + (truth.sum() if n_positive is None else n_positive))
    return float(probabilities[order][f1.argmax()])


def threshold_of_precision(probabilities: np.ndarray, truth: np.ndarray, least: float) -> float:
    """The lowest probability from which on at least that share is true; 1 if there is none."""
    order = np.argsort(-probabilities, kind="stable")
    precision = np.cumsum(truth[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= least)
    return float(probabilities[order][good[-1]]) if len(good) else 1.0
