"""Fits what weighs a note's statements: on development notes with errors put in, never on those that are reported."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from medalign.core.errors import DataError
from medalign.pipeline.boosted_fit import BoostedFit, Tree
from medalign.pipeline.logistic_fit import LogisticFit
from medalign.pipeline.notes.check import belongs_features, both_features
from medalign.pipeline.notes.fits import BELONGS, BOTH, SOUND, WORDS, NoteFits
from medalign.training.fitting.note_cases import ORIGINAL, Case, spoilt

INVERSE_REGULARISATION = 0.3  # of the logistic fits
TREES = {  # chosen by cross-validation over training notes
    "max_iter": 200, "learning_rate": 0.04, "max_leaf_nodes": 12, "min_samples_leaf": 20, "l2_regularization": 5.0,
    "max_features": 0.3, "random_state": 0,
}  # fmt: skip
FOLDS = 5
ORIGINALS_SUPPORTED = 0.85  # share of right statements that shall count as supported
ORIGINALS_CONTRADICTED = 0.015  # share of right statements that may be called contradicted
SPOILT = (0.0, 0.4, 0.7)  # shares of wrong statements in notes that are of the right patient all the same
OWN_NOTES_DOUBTED = 0.02  # share of own notes that may be called another recording's


def fit_note_check(words: Sequence[Case], aloud: Sequence[Case], others: Sequence[Case] = ()) -> NoteFits:
    """
    Args:
        words: by the words that people wrote down.
        aloud: spoken, with what the recogniser wrote and the student heard.
        others: some of these notes, each held against another consultation's words.

    Raises:
        DataError: too few notes.
    """
    if len(words) < FOLDS or len(aloud) < 2:
        raise DataError(f"{len(words)} notes and {len(aloud)} spoken ones are too few to fit on; give more")
    features, truth, _ = rows_of(words)
    apart = _apart(words)  # whatever is fitted on their answers must see answers to notes that they don't know
    held_out = np.concatenate([apart[case.consultation_id].probability(case.held.word_features()) for case in words])
    spoken_of = np.array([c.lacking is None for case in words for c in case.held.comparisons]) & truth
    likely = float(np.quantile(held_out[spoken_of], max(0.0, 1 - ORIGINALS_SUPPORTED * truth.sum() / spoken_of.sum())))
    compared = [c for case in words for c in case.held.comparisons]
    plain = np.array([c.is_plain for c in compared])
    named = np.array([case.held.contradiction(i) is not None for case in words for i in range(len(case.kinds))]) & ~plain
    at_most = max(0, int(ORIGINALS_CONTRADICTED * truth.sum()) - int((truth & plain).sum()))
    below = _largest_below(held_out[truth & named], at_most, likely)
    by_words = replace(boosted(WORDS, features, truth), threshold=likely)
    heard = np.concatenate([case.held.sound_features() for case in aloud])
    truth_aloud = np.concatenate([np.array(case.kinds) == ORIGINAL for case in aloud])
    sound = logistic(SOUND, heard, truth_aloud)
    sound = replace(sound, threshold=float(np.quantile(sound.probability(heard)[truth_aloud], 0.3)))
    by = [apart.get(case.consultation_id, by_words).probability(case.held.word_features()) for case in aloud]
    both = np.concatenate([both_features(some, case.held) for some, case in zip(by, aloud, strict=True)])
    together = logistic(BOTH, both, truth_aloud)
    likely_together = float(np.quantile(together.probability(both)[truth_aloud], 1 - ORIGINALS_SUPPORTED))
    together = replace(together, threshold=likely_together)
    return NoteFits(by_words, sound, together, _belonging(words, others, apart, by_words), below, len(truth))


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


def boosted(names: tuple[str, ...], features: np.ndarray, truth: np.ndarray) -> BoostedFit:
    """The same with small trees: what tells together is not known beforehand."""
    right = truth.mean()
    weights = np.where(truth, 0.5 / right, 0.5 / (1 - right))
    model = HistGradientBoostingClassifier(early_stopping=False, **TREES).fit(features, truth, weights)
    trees = tuple(_tree(grown.nodes) for (grown,) in model._predictors)  # scikit-learn has no public way to them
    return BoostedFit(names, trees, float(model._baseline_prediction.item()))


def _tree(nodes: np.ndarray) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        tuple(np.where(is_leaf, 0, nodes["feature_idx"]).tolist()),
        tuple(np.where(is_leaf, 0.0, nodes["num_threshold"]).tolist()),
        tuple(np.where(is_leaf, -1, nodes["left"].astype(int)).tolist()),
        tuple(np.where(is_leaf, -1, nodes["right"].astype(int)).tolist()),
        tuple(np.where(is_leaf, nodes["value"], 0.0).tolist()),
    )


def _apart(words: Sequence[Case]) -> dict[str, BoostedFit]:
    """For each consultation a fit that has not seen it."""
    features, truth, groups = rows_of(words)
    found: dict[str, BoostedFit] = {}
    for train, test in GroupKFold(FOLDS).split(features, truth, groups):
        fit = boosted(WORDS, features[train], truth[train])
        found |= dict.fromkeys(groups[test].tolist(), fit)
    return found


def _largest_below(right: np.ndarray, n: int, at_most: float) -> float:
    """The largest threshold below which at most n of the right statements lie."""
    ordered = np.sort(right)
    return min(at_most, float(ordered[n]) if n < len(ordered) else at_most)


def _belonging(
    words: Sequence[Case], others: Sequence[Case], apart: dict[str, BoostedFit], by_words: BoostedFit
) -> LogisticFit:
    if not others:
        return LogisticFit(BELONGS, (0.0,) * len(BELONGS), 0.0)
    own = [(case.consultation_id, spoilt(case, share, 0)) for case in words for share in SPOILT]
    other = [(case.consultation_id, case.held) for case in others]
    own, other = ([(name, held) for name, held in some if held.is_enough] for some in (own, other))
    features = np.stack([belongs_features(held, apart.get(name, by_words)) for name, held in (*own, *other)])
    truth = np.arange(len(features)) < len(own)
    fit = logistic(BELONGS, features, truth)
    return replace(fit, threshold=float(np.quantile(fit.probability(features)[truth], OWN_NOTES_DOUBTED)))
