"""Fits what weighs a note's statements: on development notes with errors put in, never on those that are reported."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from medalign.core.errors import DataError
from medalign.pipeline.logistic_fit import LogisticFit
from medalign.pipeline.note_check import belongs_features, both_features
from medalign.pipeline.note_fits import BELONGS, BOTH, SOUND, WORDS, NoteFits
from medalign.training.fitting.note_cases import ORIGINAL, Case

INVERSE_REGULARISATION = 0.3
FOLDS = 5
ORIGINALS_SUPPORTED = 0.85  # share of right statements that shall count as supported
ORIGINALS_CONTRADICTED = 0.015  # share of right statements that may be called contradicted
OWN_NOTES_DOUBTED = 0.02  # share of own notes that may be called another recording's


def fit_note_check(words: Sequence[Case], aloud: Sequence[Case]) -> NoteFits:
    """
    Args:
        words: by the words that people wrote down.
        aloud: spoken, with what the recogniser wrote and the student heard.

    Raises:
        DataError: too few notes.
    """
    if len(words) < FOLDS or len(aloud) < 2:
        raise DataError(f"{len(words)} notes and {len(aloud)} spoken ones are too few to fit on; give more")
    features, truth, groups = rows_of(words)
    by_words = logistic(WORDS, features, truth)
    held_out = _cross_validated(features, truth, groups)
    likely = float(np.quantile(held_out[truth], 1 - ORIGINALS_SUPPORTED))
    named = np.array([c.contradiction is not None for case in words for c in case.held.comparisons])
    below = _largest_below(held_out[truth & named], int(ORIGINALS_CONTRADICTED * truth.sum()), likely)
    heard = np.concatenate([case.held.sound_features() for case in aloud])
    truth_aloud = np.concatenate([np.array(case.kinds) == ORIGINAL for case in aloud])
    by_words = replace(by_words, threshold=likely)
    sound = logistic(SOUND, heard, truth_aloud)
    sound = replace(sound, threshold=float(np.quantile(sound.probability(heard)[truth_aloud], 0.3)))
    both = np.concatenate([both_features(by_words.probability(case.held.word_features()), case.held) for case in aloud])
    together = logistic(BOTH, both, truth_aloud)
    likely_together = float(np.quantile(together.probability(both)[truth_aloud], 1 - ORIGINALS_SUPPORTED))
    together = replace(together, threshold=likely_together)
    return NoteFits(by_words, sound, together, LogisticFit(BELONGS, (0.0,) * len(BELONGS), 0.0), below, len(truth))


def rows_of(cases: Sequence[Case]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features by the words (n, k), whether each statement is as it was written (n,), and the consultations (n,)."""
    features = np.concatenate([case.held.word_features() for case in cases])
    truth = np.concatenate([np.array(case.kinds) == ORIGINAL for case in cases])
    return features, truth, np.concatenate([[case.consultation_id] * len(case.kinds) for case in cases])


def logistic(names: tuple[str, ...], features: np.ndarray, truth: np.ndarray) -> LogisticFit:
    """Right and wrong statements weigh the same, so that 0.5 is as likely right as wrong."""
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=5000, class_weight="balanced")
    model.fit(scaler.transform(features), truth)
    weights = model.coef_[0] / scaler.scale_
    return LogisticFit(names, tuple(weights.tolist()), float(model.intercept_[0] - weights @ scaler.mean_))


def _cross_validated(features: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Probabilities (n,) of statements by fits that have not seen their consultation."""
    found = np.zeros(len(truth))
    for train, test in GroupKFold(FOLDS).split(features, truth, groups):
        found[test] = logistic(WORDS, features[train], truth[train]).probability(features[test])
    return found


def _largest_below(right: np.ndarray, n: int, at_most: float) -> float:
    """The largest threshold below which at most n of the right statements lie."""
    ordered = np.sort(right)
    return min(at_most, float(ordered[n]) if n < len(ordered) else at_most)


def with_belongs(fits: NoteFits, pairs: Sequence[tuple[Case, Case]]) -> NoteFits:
    """
    Args:
        pairs: each note held against its own consultation, and against another one.
    """
    features = np.stack([belongs_features(case.held, fits) for of_pair in zip(*pairs, strict=True) for case in of_pair])
    truth = np.arange(len(features)) < len(pairs)
    fit = logistic(BELONGS, features, truth)
    return replace(
        fits, belongs=replace(fit, threshold=float(np.quantile(fit.probability(features)[truth], OWN_NOTES_DOUBTED)))
    )
