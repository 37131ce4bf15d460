"""Numbers mean what they say: against naive versions, under relabelling, and on degenerate input."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score, roc_auc_score

from medalign.core.errors import CheckpointError
from medalign.evaluation import bootstrap
from medalign.evaluation.calibration import expected_calibration_error
from medalign.evaluation.concept_detection import (
    column_auroc,
    column_average_precision,
    macro_figures,
)
from medalign.evaluation.linear_probe import LinearProbe, cross_validated_probe
from medalign.evaluation.retrieval import pooled_ranks, ranks, recall_at_k
from medalign.evaluation.word_errors import normalize, word_error_rate
from medalign.pipeline.calibration import FEATURES, FITS_FILE, Calibration
from medalign.pipeline.logistic_fit import LogisticFit


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_ranks_equal_a_naive_search():
    similarity = np.random.default_rng(0).standard_normal((30, 30))
    naive = [1 + int((similarity[i] > similarity[i, i]).sum()) for i in range(30)]
    assert ranks(similarity, [str(i) for i in range(30)]).tolist() == naive


def test_an_equal_text_is_a_hit_and_a_tie_counts_against():
    similarity = np.array([[0.1, 0.9, 0.0], [0.0, 0.9, 0.0], [0.5, 0.0, 0.5]])
    assert ranks(similarity, ["a", "a", "b"]).tolist() == [1, 1, 2]


def test_recall_counts_within_pools_and_needs_one():
    perfect = recall_at_k(np.eye(100), [str(i) for i in range(100)], pool=50)
    assert perfect == {"recall@1": 1.0, "recall@10": 1.0}
    with pytest.raises(ValueError, match="at least 500 pairs, got 100"):
        recall_at_k(np.eye(100), ["x"] * 100, pool=500)


def test_pooled_ranks_are_those_of_whole_pools_and_drop_the_rest():
    rng = np.random.default_rng(0)
    similarity, texts = rng.standard_normal((103, 103)), [str(i % 90) for i in range(103)]
    found = pooled_ranks(similarity, texts, pool=25)
    assert found.shape == (100,)
    assert {"recall@1": (found <= 1).mean(), "recall@10": (found <= 10).mean()} == recall_at_k(similarity, texts, pool=25)
    assert found.max() <= 25 and found[25:50].tolist() == ranks(similarity[25:50, 25:50], texts[25:50]).tolist()


@pytest.mark.parametrize("decimals", [0, 1, 9], ids=["many ties", "some ties", "no ties"])
def test_auroc_and_average_precision_equal_scikit_learns(decimals):
    rng = np.random.default_rng(decimals)
    truth, scores = rng.random((500, 8)) < 0.05, rng.standard_normal((500, 8)).round(decimals)
    scores[:, 7] = 0
    auroc, precision = column_auroc(scores, truth), column_average_precision(scores, truth)
    for j in range(8):
        assert auroc[j] == pytest.approx(roc_auc_score(truth[:, j], scores[:, j]), abs=1e-12)
        assert precision[j] == pytest.approx(average_precision_score(truth[:, j], scores[:, j]), abs=1e-12)


def test_what_can_not_be_ranked_is_not_a_number_and_not_judged():
    truth, scores = np.zeros((20, 3), bool), np.random.default_rng(0).random((20, 3))
    truth[:, 1], truth[:9, 2], scores[4, 2] = True, True, np.nan
    assert np.isnan(column_auroc(scores, truth)).all() and np.isnan(column_average_precision(scores, truth)).all()
    with pytest.raises(ValueError, match="hold NaN"):
        macro_figures(scores, truth, min_mentions=5)
    with pytest.raises(ValueError, match=r"truth is \(20, 2\)"):
        column_auroc(scores, truth[:, :2])


def test_auroc_is_one_half_for_noise_and_does_not_change_under_monotone_maps():
    rng = np.random.default_rng(0)
    truth, scores = rng.random((4000, 3)) < 0.1, rng.standard_normal((4000, 3))
    noise = macro_figures(scores, truth, min_mentions=5)["auroc"]
    assert noise == pytest.approx(0.5, abs=0.04)
    assert macro_figures(np.exp(scores), truth, min_mentions=5)["auroc"] == noise


def test_concepts_with_too_few_mentions_are_not_judged():
    truth = np.zeros((50, 3), bool)
    truth[:10, 0], truth[:2, 1] = True, True
    scores = np.random.default_rng(0).random((50, 3))
    figures = macro_figures(scores, truth, min_mentions=5)
    assert figures == {"auroc": column_auroc(scores, truth)[0], "n_concepts": 1} | {
        "average_precision": column_average_precision(scores, truth)[0]
    }
    with pytest.raises(ValueError, match="no concept has 20 mentions"):
        macro_figures(truth.astype(float), truth, min_mentions=20)


def test_group_intervals_are_those_of_whole_groups():
    groups = [str(i // 10) for i in range(400)]
    values = np.repeat(np.random.default_rng(0).standard_normal(40), 10)
    low, high = bootstrap.bootstrap_over_groups(lambda rows: float(values[rows].mean()), groups, n=2000)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(40), rel=0.1)
    rows_alone = bootstrap.bootstrap_over_groups(lambda rows: float(values[rows].mean()), [str(i) for i in range(400)])
    assert rows_alone[1] - rows_alone[0] < 0.5 * (high - low)


def test_an_interval_of_average_precision_holds_its_figure_though_resamples_flatter_it():
    rng = np.random.default_rng(0)
    truth = rng.random((600, 30)) < 0.01
    scores = 2.5 * truth + rng.standard_normal(truth.shape)
    groups = [str(i // 10) for i in range(600)]

    def statistic(rows: np.ndarray) -> float:
        return float(np.nanmean(column_average_precision(scores[rows], truth[rows])))

    figure = statistic(np.arange(600))
    resampled = [statistic(rows) for rows in bootstrap._resamples(groups, 200)]
    assert np.mean(resampled) > figure + np.std(resampled) / 2  # what plain percentiles would be off by
    low, high = bootstrap.bootstrap_over_groups(statistic, groups, n=200)
    assert low < figure < high
    assert high - low == pytest.approx(3.92 * np.std(resampled), rel=0.2)


def test_undefined_resamples_are_left_out_and_none_at_all_is_refused():
    values = np.array([np.nan, 1.0, 1.0])
    assert bootstrap.bootstrap_over_groups(lambda rows: float(values[rows].mean()), ["a", "b", "c"]) == (1.0, 1.0)
    with pytest.raises(ValueError, match="defined in no resample"):
        bootstrap.bootstrap_over_groups(lambda rows: np.nan, ["a", "b"])
    with pytest.raises(ValueError, match="no groups"):
        bootstrap.bootstrap_over_groups(lambda rows: 0.0, [])


def test_a_paired_difference_is_sharper_than_two_intervals():
    rng = np.random.default_rng(0)
    groups = [str(i // 10) for i in range(400)]
    hard = np.repeat(rng.standard_normal(40), 10)
    first, second = hard + 0.1 + 0.1 * rng.standard_normal(400), hard + 0.1 * rng.standard_normal(400)
    difference, low, high = bootstrap.paired_difference(
        lambda rows: float(first[rows].mean()), lambda rows: float(second[rows].mean()), groups
    )
    assert difference == pytest.approx(first.mean() - second.mean())
    assert 0 < low < difference < high < 0.15


def probe_data(n: int, n_dims: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Embeddings with a few directions that carry the concepts, of which some consultations have more."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((n, 6)) + np.repeat(rng.standard_normal((n // 20, 6)), 20, 0)
    x = hidden @ rng.standard_normal((6, n_dims)) + noise * rng.standard_normal((n, n_dims))
    return x * rng.uniform(0.1, 10, n_dims) + 5, hidden > 2.5, [f"consultation {i // 20}" for i in range(n)]


@pytest.mark.parametrize(("n", "n_dims"), [pytest.param(300, 40, marks=pytest.mark.slow), (60, 200)], ids=["tall", "wide"])
def test_a_probe_is_ridge_regression_with_the_least_leave_one_out_error(n, n_dims):
    x, y, _ = probe_data(n, n_dims, 3.0)
    y = y[:, y.any(0)]
    probe = LinearProbe.fit(x, y)
    z = (x - x.mean(0)) / x.std(0)
    unit = (z**2).sum() / min(n, n_dims)

    def left_out_error(strength: float) -> float:
        model = Ridge(alpha=strength * unit)
        left_out = [model.fit(np.delete(z, i, 0), np.delete(y, i, 0)).predict(z[i : i + 1])[0] for i in range(n)]
        return float(np.mean(((y - left_out) ** 2).mean(0) / y.var(0)))

    ridge = Ridge(alpha=probe.strength * unit).fit(z, y)
    assert probe.scores(x) == pytest.approx(ridge.predict(z), abs=1e-6)
    near = [left_out_error(probe.strength * factor) for factor in (0.1, 1, 10)]
    assert near[1] == min(near)


def test_a_probe_finds_concepts_in_other_consultations_and_ignores_the_scale_of_dimensions():
    x, y, groups = probe_data(1200, 64, 1.0)
    scores = cross_validated_probe(x, y, groups)
    assert np.nanmean(column_auroc(scores, y)) > 0.9
    scaled = cross_validated_probe(x * np.logspace(-3, 3, 64) - 7, y, groups)
    assert scaled == pytest.approx(scores, abs=1e-6)
    transferred = LinearProbe.fit(x[:600], y[:600]).scores(x[600:])
    assert np.nanmean(column_auroc(transferred, y[600:])) > 0.9


def test_noise_tells_a_probe_nothing_even_where_consultations_differ():
    _, y, groups = probe_data(1200, 64, 1.0)
    noise = [np.random.default_rng(seed).standard_normal((1200, 64)) for seed in range(10)]
    auroc = [np.nanmean(column_auroc(cross_validated_probe(x, y, groups, seed=i), y)) for i, x in enumerate(noise)]
    assert np.mean(auroc) == pytest.approx(0.5, abs=0.02)


def test_a_probe_never_learns_from_the_consultation_it_scores():
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(20), 10)
    voices = np.eye(20)[ids] + 0.01 * rng.standard_normal((200, 20))  # embeddings that tell consultations and nothing else
    truth = (ids % 2 == 0)[:, None]
    assert column_auroc(LinearProbe.fit(voices, truth).scores(voices), truth)[0] > 0.99
    assert column_auroc(cross_validated_probe(voices, truth, [str(i) for i in ids]), truth)[0] < 0.7


def test_concepts_of_one_consultation_are_not_probed_and_wrong_input_is_refused():
    x, _, groups = probe_data(200, 10, 1.0)
    truth = np.zeros((200, 3), bool)
    truth[:8, 0], truth[15:25, 1], truth[[3, 50], 2] = True, True, True
    assert np.isfinite(cross_validated_probe(x, truth, groups)).all(0).tolist() == [False, True, False]
    assert np.isnan(cross_validated_probe(x, truth[:, :1], groups)).all()  # none is left
    with pytest.raises(ValueError, match="10 groups can't be cut into 11 folds"):
        cross_validated_probe(x, truth, groups, n_folds=11)
    with pytest.raises(ValueError, match=r"truth is \(199, 3\)"):
        cross_validated_probe(x, truth[1:], groups)
    with pytest.raises(ValueError, match="199 groups"):
        cross_validated_probe(x, truth, groups[1:])
    with pytest.raises(ValueError, match="not finite"):
        LinearProbe.fit(np.full((200, 3), np.nan), truth)


def test_numbers_marks_case_fillers_and_contractions_are_no_word_errors():
    assert normalize("Uh, twenty-five mg, TWICE; it's seventy.") == "25 mg twice it is 70"
    assert (
        normalize("We'll see [noise] Dr. Smith (coughs) about one hundred and twenty") == "we will see doctor smith about 120"
    )
    assert word_error_rate(["I'm forty two, I said."], ["i am 42 I said"])["word_error_rate"] == 0


def test_word_errors_are_counted_over_all_texts():
    counts = word_error_rate(["a b c d", "", "e f"], ["a x c", "oh", "e f g"])
    assert counts == {"word_error_rate": 4 / 6, "n_words": 6, "n_substituted": 1, "n_deleted": 1, "n_inserted": 2}
    assert word_error_rate(["a b"], [""])["word_error_rate"] == 1
    with pytest.raises(ValueError, match="1 references, 2 hypotheses"):
        word_error_rate(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="no word"):
        word_error_rate(["..."], ["a"])


@pytest.fixture
def calibration() -> Calibration:
    rng = np.random.default_rng(0)
    return Calibration(
        distractors=unit(rng.standard_normal((400, 32))),
        low_percentile=60.0,
        fits={
            "concept in audio": LogisticFit(FEATURES["concept in audio"], (8.0, 10.0), -4.0, 0.3),
            "mention in text": LogisticFit(FEATURES["mention in text"], (0.5, 2.0), -1.0),
        },
    )


def test_a_percentile_is_the_share_of_texts_that_fit_worse(calibration):
    audio = unit(np.random.default_rng(1).standard_normal((5, 32)))
    assert calibration.percentile(audio, audio) == pytest.approx(100)
    assert calibration.percentile(audio, -audio) == pytest.approx(0)
    unrelated = calibration.percentile(
        unit(np.random.default_rng(2).standard_normal((300, 32))), unit(np.random.default_rng(3).standard_normal((300, 32)))
    )
    assert unrelated.mean() == pytest.approx(50, abs=5)


def test_probabilities_grow_with_closeness_and_fall_behind_a_better_concept(calibration):
    alone = calibration.concept_probability(np.array([[0.1, -0.5], [0.5, -0.5], [0.9, -0.5]]))[:, 0]
    assert (np.diff(alone) > 0).all() and (alone > 0).all() and (alone < 1).all()
    assert (
        calibration.concept_probability(np.array([[0.5, 0.9]]))[0, 0]
        < calibration.concept_probability(np.array([[0.5, 0.4]]))[0, 0]
    )


def test_a_doubtful_word_makes_the_teacher_less_sure(calibration):
    sure, doubtful = calibration.mention_probability(np.array([0.6, 0.6]), np.array([0.99, 0.2]))
    assert sure > doubtful


def test_calibration_error_is_small_for_honest_probabilities_and_large_for_boasts():
    rng = np.random.default_rng(0)
    honest = rng.random(20_000)
    truth = rng.random(20_000) < honest
    assert expected_calibration_error(honest, truth) < 0.02
    assert expected_calibration_error(np.sqrt(honest), truth) > 0.1
    with pytest.raises(ValueError, match="above 0.05"):
        expected_calibration_error(np.zeros(5), np.zeros(5, bool))


def test_a_calibration_survives_the_disk(calibration, tmp_path):
    calibration.save(tmp_path)
    loaded = Calibration.load(tmp_path)
    assert np.abs(loaded.distractors - calibration.distractors).max() < 1e-3
    assert loaded.fits == calibration.fits and loaded.low_percentile == 60.0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda stored: "{", "fits.json is not the JSON that is expected"),
        (lambda stored: "[]", "fits.json is not the JSON that is expected"),
        (lambda stored: json.dumps(stored | {"fits": []}), "fits.json is not the JSON that is expected .fits: "),
        (lambda stored: json.dumps(stored | {"fits": {}}), "lacks the fit 'concept in audio'; run `medalign calibrate`"),
        (lambda stored: json.dumps(stored).replace("8.0", "NaN"), "fits.json is not the JSON that is expected"),
        (lambda stored: json.dumps(stored).replace("[8.0, 10.0]", "[8.0]"), "2 features have 1 weights"),
        (lambda stored: json.dumps(stored).replace('"cosine_behind_best"', '"age"'), "made for other features .cosine, age."),
    ],
)
def test_a_damaged_or_foreign_fit_is_one_sentence(calibration, tmp_path, damage, message):
    calibration.save(tmp_path)
    stored = json.loads((tmp_path / FITS_FILE).read_text())
    (tmp_path / FITS_FILE).write_text(damage(stored))
    with pytest.raises(CheckpointError, match=message):
        Calibration.load(tmp_path)


def test_a_missing_calibration_is_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match="distractors.safetensors is missing; give a complete student folder"):
        Calibration.load(tmp_path / "elsewhere")
