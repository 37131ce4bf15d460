"""Numbers mean what they say: against naive versions, under relabelling, and on degenerate input."""

import numpy as np
import pytest

from medalign.errors import CheckpointError
from medalign.evaluation.calibration import expected_calibration_error
from medalign.evaluation.concept_detection import bootstrap_over_groups, mean_over_concepts, per_concept
from medalign.evaluation.retrieval import ranks, recall_at_k
from medalign.zero_shot import Reference


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


def test_auroc_is_one_half_for_noise_and_does_not_change_under_monotone_maps():
    rng = np.random.default_rng(0)
    truth, scores = rng.random((4000, 3)) < 0.1, rng.standard_normal((4000, 3))
    noise = mean_over_concepts(per_concept(scores, truth, min_mentions=5), "auroc")
    assert noise == pytest.approx(0.5, abs=0.04)
    assert mean_over_concepts(per_concept(np.exp(scores), truth, min_mentions=5), "auroc") == noise


def test_concepts_with_too_few_mentions_are_not_judged():
    truth = np.zeros((50, 3), bool)
    truth[:10, 0], truth[:2, 1] = True, True
    assert list(per_concept(np.random.default_rng(0).random((50, 3)), truth, min_mentions=5)) == [0]
    with pytest.raises(ValueError, match="no concept has 20 mentions"):
        per_concept(truth.astype(float), truth, min_mentions=20)


def test_the_bootstrap_interval_holds_the_estimate_and_is_wider_for_fewer_groups():
    rng = np.random.default_rng(0)
    truth = rng.random((600, 4)) < 0.2
    scores = truth + rng.standard_normal(truth.shape)
    estimate = mean_over_concepts(per_concept(scores, truth, min_mentions=5), "auroc")
    low, high = bootstrap_over_groups(scores, truth, [str(i % 60) for i in range(600)], "auroc", min_mentions=5, n=100)
    assert low < estimate < high and high - low < 0.15


@pytest.fixture
def reference() -> Reference:
    rng = np.random.default_rng(0)
    return Reference(
        text=unit(rng.standard_normal((400, 32))),
        student_fit=np.array([8.0, 10.0, -4.0]),
        teacher_fit=np.array([0.5, 2.0, -1.0]),
        student_threshold=0.3,
        alarm_below_percentile=60.0,
    )


def test_a_percentile_is_the_share_of_texts_that_fit_worse(reference):
    audio = unit(np.random.default_rng(1).standard_normal((5, 32)))
    assert reference.percentile(audio, audio) == pytest.approx(100)
    assert reference.percentile(audio, -audio) == pytest.approx(0)
    unrelated = reference.percentile(
        unit(np.random.default_rng(2).standard_normal((300, 32))), unit(np.random.default_rng(3).standard_normal((300, 32)))
    )
    assert unrelated.mean() == pytest.approx(50, abs=5)


def test_probabilities_grow_with_closeness_and_fall_behind_a_better_concept(reference):
    alone = reference.heard(np.array([[0.1, -0.5], [0.5, -0.5], [0.9, -0.5]]))[:, 0]
    assert (np.diff(alone) > 0).all() and (alone > 0).all() and (alone < 1).all()
    assert reference.heard(np.array([[0.5, 0.9]]))[0, 0] < reference.heard(np.array([[0.5, 0.4]]))[0, 0]


def test_a_doubtful_word_makes_the_teacher_less_sure(reference):
    sure, doubtful = reference.read(np.array([0.6, 0.6]), np.array([0.99, 0.2]))
    assert sure > doubtful


def test_calibration_error_is_small_for_honest_probabilities_and_large_for_boasts():
    rng = np.random.default_rng(0)
    honest = rng.random(20_000)
    truth = rng.random(20_000) < honest
    assert expected_calibration_error(honest, truth) < 0.02
    assert expected_calibration_error(np.sqrt(honest), truth) > 0.1
    with pytest.raises(ValueError, match="above 0.05"):
        expected_calibration_error(np.zeros(5), np.zeros(5, bool))


def test_a_reference_survives_the_disk_and_a_missing_one_is_one_sentence(reference, tmp_path):
    reference.save(tmp_path)
    loaded = Reference.load(tmp_path)
    assert np.abs(loaded.text - reference.text).max() < 1e-3
    assert loaded.student_threshold == reference.student_threshold
    with pytest.raises(CheckpointError, match="missing or damaged"):
        Reference.load(tmp_path / "elsewhere")
