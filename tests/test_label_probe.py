"""Probes of a label: nothing of what is measured is fitted on, and a label that isn't there is not found."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medalign.evaluation.label_probe import (
    folds_by_group,
    folds_by_subset,
    held_out_scores,
    in_bins,
    mean_auroc,
    one_column_a_class,
)


def made(n=240, dims=30, signal=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    groups = np.array([f"p{i // 3}" for i in range(n)])
    features = rng.standard_normal((n, dims))
    features[:, 0] += signal * labels
    return features, labels, groups


def auroc(candidates, labels, folds, groups, strata=None):
    scores, chosen = held_out_scores(candidates, labels, folds, groups)
    return mean_auroc(scores, one_column_a_class(labels), np.zeros(len(labels), int) if strata is None else strata), chosen


def test_no_group_is_cut_and_every_clip_is_measured_once():
    _, labels, groups = made()
    folds = folds_by_group(labels, groups, 5)
    assert sorted(np.concatenate([measured for _, measured in folds])) == list(range(len(labels)))
    assert not any(set(groups[fitted]) & set(groups[measured]) for fitted, measured in folds)


def test_a_signal_is_found_and_noise_is_not():
    features, labels, groups = made(signal=3.0)
    folds = folds_by_group(labels, groups, 5)
    assert auroc([features], labels, folds, groups)[0] > 0.85
    of_noise = []
    for seed in range(8):
        features, labels, groups = made(n=120, dims=5, seed=seed, signal=0.0)
        of_noise.append(auroc([features], labels, folds_by_group(labels, groups, 3), groups)[0])
    assert 0.42 < np.mean(of_noise) < 0.58


def test_many_dimensions_give_what_few_that_span_the_same_give():
    features, labels, groups = made(dims=20, signal=1.0)
    folds = folds_by_group(labels, groups, 4)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((600, 20)))[0]
    wide = features @ rotation.T
    assert auroc([wide], labels, folds, groups)[0] == pytest.approx(auroc([features], labels, folds, groups)[0], abs=0.1)


def test_the_better_features_are_chosen_inside_the_rows_fitted_on():
    good, labels, groups = made(signal=3.0)
    bad = np.random.default_rng(5).standard_normal(good.shape)
    folds = folds_by_group(labels, groups, 4)
    figure, chosen = auroc([bad, good], labels, folds, groups)
    assert chosen == [1] * 4 and figure > 0.85
    poisoned = bad.copy()
    fitted, measured = folds[0]
    poisoned[measured, 0] = 9 * labels[measured]  # tells the label in the rows measured on alone
    assert held_out_scores([poisoned, good], labels, folds[:1], groups)[1] == [1]


def test_a_shortcut_of_one_place_fails_in_another():
    rng = np.random.default_rng(0)
    places, labels = np.repeat([0, 1, 2], 60), rng.integers(0, 2, 180)
    features = rng.standard_normal((180, 5))
    features[:, 0] += np.where(places == 2, -3, 3) * labels  # the other way round in the third
    folds = folds_by_subset([str(p) for p in places])
    assert [len(measured) for _, measured in folds] == [60, 60, 60]
    scores, _ = held_out_scores([features], labels, folds, places)
    by_place = [mean_auroc(scores[places == p], one_column_a_class(labels)[places == p], np.zeros(60, int)) for p in range(3)]
    assert by_place[2] < 0.2


def test_auroc_is_the_mean_within_strata_and_over_classes():
    rng = np.random.default_rng(0)
    labels, strata = rng.integers(0, 3, 90), rng.integers(0, 2, 90)
    scores, truth = rng.standard_normal((90, 3)), one_column_a_class(labels)
    wanted = np.mean([
        np.mean([roc_auc_score(truth[strata == s, c], scores[strata == s, c]) for c in range(3)]) for s in range(2)
    ])  # fmt: skip
    assert mean_auroc(scores, truth, strata) == pytest.approx(wanted)
    assert np.isnan(mean_auroc(scores[:1], truth[:1], strata[:1]))


def test_bins_find_what_is_not_monotone():
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, 300)
    labels, groups = (np.abs(values) > 0.5).astype(int), [str(i) for i in range(300)]
    folds = folds_by_group(labels, groups, 5)
    assert auroc([in_bins(values)], labels, folds, groups)[0] > 0.9
    assert in_bins(np.ones(9)).shape == (9, 1)


def test_too_few_groups_are_told():
    features, labels, groups = made(n=12)
    with pytest.raises(ValueError, match="folds"):
        folds_by_group(labels, ["one"] * 12, 2)
    with pytest.raises(ValueError, match="not finite"):
        held_out_scores([features * np.nan], labels, folds_by_group(labels, groups, 2), groups)


def test_a_gaussian_kernel_tells_what_no_line_does():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((240, 2))
    labels = (features.prod(1) > 0).astype(int)
    groups = np.array([str(i) for i in range(240)])
    folds, found = folds_by_group(labels, groups, 4), {}
    for kernel in ("linear", "gaussian"):
        scores, _ = held_out_scores([features], labels, folds, groups, kernel=kernel)
        found[kernel] = roc_auc_score(labels, scores[:, 0])
    assert found["gaussian"] > 0.9 and found["linear"] < 0.65
