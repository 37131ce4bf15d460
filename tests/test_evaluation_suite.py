"""Arrays in, numbers with intervals out: against scikit-learn and plain versions, on what is undefined, and as a page."""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import auc, average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from medalign.cli import main
from medalign.evaluation import suite
from medalign.evaluation.similarity import debiased_cka, mutual_neighbours
from medalign.evaluation.suite import evaluate_arrays
from medalign.report.evaluation_page import ablation_bars, ablation_page, evaluation_page
from medalign.training import losses

RNG = np.random.default_rng(0)
N, K, D = 240, 6, 12


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    """A model that hears its texts through noise, of 24 consultations; one text in ten stands twice."""
    text = unit(RNG.standard_normal((N, D)))
    text[1::10] = text[::10]
    audio = unit(text + 0.5 * unit(RNG.standard_normal((N, D))))
    chances = 1 / (1 + np.exp(-4 * text[:, :K]))
    return {
        "group": np.arange(N) // 10, "audio": audio, "text": text, "text_id": np.arange(N) - (np.arange(N) % 10 == 1),
        "scores": audio[:, :K], "truth": RNG.random((N, K)) < chances, "probability": chances,
    }  # fmt: skip


@pytest.fixture(scope="module")
def figures(arrays) -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medalign.evaluation.bootstrap.N_RESAMPLES", 50)
        return evaluate_arrays(arrays)


def test_every_task_has_figures_inside_their_intervals(figures):
    assert list(figures) == list(suite.TASKS) and not any("undefined" in of_task for of_task in figures.values())

    def check(found: dict) -> int:
        n = 0
        for value in found.values():
            if isinstance(value, dict):
                n += check(value)
            elif isinstance(value, list) and len(value) == 3 and isinstance(value[0], float):
                n, (figure, low, high) = n + 1, value
                assert low <= figure <= high
        return n

    assert check(figures) >= 13


def test_detection_equals_scikit_learns_and_its_curves_hold_the_same_areas(arrays, figures):
    of_task, truth, scores = figures["detection"], arrays["truth"], arrays["scores"]
    assert of_task["auroc"][0] == pytest.approx(roc_auc_score(truth, scores, average="macro"))
    assert of_task["average_precision"][0] == pytest.approx(average_precision_score(truth, scores, average="macro"))
    roc, pr = np.array(of_task["roc"]), np.array(of_task["precision_recall"])
    assert auc(*roc.T) == pytest.approx(roc_auc_score(truth.ravel(), scores.ravel()), abs=0.01)
    assert auc(*pr.T) == pytest.approx(average_precision_score(truth.ravel(), scores.ravel()), abs=0.02)
    assert max(len(roc), len(pr)) <= suite.N_POINTS and roc[0].tolist() == [0, 0] and roc[-1].tolist() == [1, 1]


def test_honest_probabilities_are_calibrated_and_twice_too_large_ones_are_not(arrays, figures):
    honest = figures["calibration"]
    assert honest["expected_calibration_error"][0] < 0.06
    assert sum(b["n"] for b in honest["reliability"]) == honest["n_above_floor"]
    boast = evaluate_arrays(arrays | {"probability": arrays["probability"] ** 0.3}, ["calibration"])["calibration"]
    assert boast["expected_calibration_error"][1] > honest["expected_calibration_error"][2]


def test_equal_texts_are_hits_both_ways_and_pairs_that_are_none_are_found_by_chance(arrays, figures):
    of_task = figures["retrieval"]
    twins = evaluate_arrays({k: v for k, v in arrays.items() if k != "text_id"}, ["retrieval"])["retrieval"]
    for way in ("audio to text", "text to audio"):
        assert of_task[way]["recall@1"][0] > twins[way]["recall@1"][0]
        assert of_task[way]["recall@1"][0] <= of_task[way]["mean_reciprocal_rank"][0] <= of_task[way]["recall@10"][0] <= 1
    shuffled = arrays | {"text": arrays["text"][RNG.permutation(N)]}
    assert evaluate_arrays(shuffled, ["retrieval"])["retrieval"]["audio to text"]["recall@10"][0] < 0.15


def test_likeness_of_spaces_equals_trainings_and_scikit_learns(arrays, figures):
    audio, text = arrays["audio"], arrays["text"]
    as_trained = losses.debiased_cka(torch.from_numpy(audio), torch.from_numpy(text)).item()
    assert debiased_cka(audio, text) == pytest.approx(as_trained, abs=1e-4)
    rotated = text @ np.linalg.qr(RNG.standard_normal((D, D)))[0] * 3
    assert debiased_cka(text, rotated) == pytest.approx(1) and mutual_neighbours(text, rotated, 5).mean() > 0.99
    near = [
        NearestNeighbors(n_neighbors=10, metric="cosine").fit(rows).kneighbors(return_distance=False) for rows in (audio, text)
    ]
    plain = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*near, strict=True)])
    assert mutual_neighbours(audio, text, 10).mean() == pytest.approx(plain, abs=0.01)  # twins tie
    assert abs(figures["alignment"]["debiased_cka_shuffled"]) < 0.1 < figures["alignment"]["debiased_cka"][1]


def test_what_is_undefined_says_why_and_stops_no_other(arrays):
    none_said = arrays | {"truth": np.zeros((N, K), bool), "audio": np.ones((N, D)), "probability": arrays["probability"] + 1}
    found = evaluate_arrays(none_said)
    assert "5 mentions" in found["detection"]["undefined"] and "5 mentions" in found["probe"]["undefined"]
    assert "outside 0 to 1" in found["calibration"]["undefined"] and "all alike" in found["alignment"]["undefined"]
    assert "undefined" not in found["retrieval"]
    broken = arrays | {"scores": np.full((N, K), np.nan), "probability": np.zeros((N, K))}
    found = evaluate_arrays(broken, ["detection", "calibration"])
    assert "not finite" in found["detection"]["undefined"] and "no probability" in found["calibration"]["undefined"]
    one = evaluate_arrays(arrays | {"group": np.zeros(N, int)})
    assert "two groups" in one["alignment"]["undefined"] and one["detection"]["auroc"][1] == one["detection"]["auroc"][2]
    few = {name: values[:3] for name, values in arrays.items()}
    assert all(
        "undefined" in of_task for task, of_task in evaluate_arrays(few).items() if task not in ("calibration", "retrieval")
    )


@pytest.mark.parametrize(
    ("change", "tasks", "message"),
    [
        ({}, ["guesses"], "unknown task 'guesses'; the tasks are: detection"),
        ({"truth": None}, ["probe"], "'probe' needs truth"),
        ({"audio": np.ones((3, 2))}, [], "one row a clip"),
        ({"group": None}, [], "'group' among them"),
    ],
)
def test_wrong_arrays_are_refused(arrays, tmp_path, capsys, change, tasks, message):
    changed = {name: values for name, values in (arrays | change).items() if values is not None}
    np.savez(tmp_path / "arrays.npz", **changed)
    assert main(["evaluate", str(tmp_path / "arrays.npz"), *(f"--task={task}" for task in tasks)]) != 0
    assert message in capsys.readouterr().err


def test_a_file_of_arrays_becomes_figures_and_a_page_of_its_own(arrays, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("medalign.evaluation.bootstrap.N_RESAMPLES", 10)
    np.savez(tmp_path / "arrays.npz", **arrays)
    out, page = tmp_path / "figures.json", tmp_path / "page.html"
    assert main(["evaluate", str(tmp_path / "arrays.npz"), "--json", str(out), "--page", str(page)]) == 0
    written, html = json.loads(out.read_text()), page.read_text(encoding="utf-8")
    assert {"provenance", *suite.TASKS} == set(written) and json.loads(capsys.readouterr().out) == written
    for title in ("ROC", "Precision and recall", "Reliability", "shared space", "debiased cka"):
        assert title in html
    assert "<script src=" not in html and html.count("Plotly.newPlot(") == 4


def test_a_page_of_what_is_undefined_and_bars_of_arms():
    assert "no concept has" in evaluation_page("x <y>", {"detection": {"undefined": "no concept has 5 mentions"}})
    arms = {
        "a <b>": {"mean": {"auroc": 0.8}, "seed 0": {"auroc": 0.7}, "seed 1": {"auroc": 0.9}},
        "c": {"mean": {"auroc": 0.5}},
    }
    arms["c"]["seed 0"] = {"auroc": 0.5}
    (bars,) = ablation_bars(arms, "auroc").data
    assert list(bars.x) == [0.8, 0.5] and bars.y[0] == "a &lt;b&gt;"
    assert "1 &lt; 2" in ablation_page("1 < 2", arms) and "auroc" in ablation_page("1 < 2", arms)
    assert np.allclose(bars.error_x.array, [0.1, 0]) and np.allclose(bars.error_x.arrayminus, [0.1, 0])
