"""The commands that measure students, on the bundled examples: figures that mean something, and reruns that cost nothing."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medalign.cli import main
from medalign.core.assets import EXAMPLES
from medalign.core.examples import load_examples
from medalign.core.provenance import without_provenance
from medalign.training import ablation
from medalign.training.fitting import student_metrics as evaluate

MANIFEST = EXAMPLES / "manifest.csv"


def measuring_on(folder: Path, is_valid: Callable[[dict], bool]) -> Path:
    """The bundled manifest with other splits."""
    path = folder / "manifest.csv"
    with open(MANIFEST, newline="") as source, open(path, "w", newline="") as target:
        rows = list(csv.DictReader(source))
        writer = csv.DictWriter(target, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {"split": "valid" if is_valid(row) else "train", "path": EXAMPLES / row["path"]})
    return path


@pytest.fixture(scope="module")
def other_way_round(tmp_path_factory):
    """The bundled manifest with its splits exchanged: four consultations to measure on."""
    return measuring_on(tmp_path_factory.mktemp("manifest"), lambda row: row["split"] == "train")


@pytest.fixture(scope="module")
def figures(other_way_round, training_cache, tmp_path_factory):
    """Of the shipped student, as `medalign evaluate` writes them."""
    out = tmp_path_factory.mktemp("figures") / "figures.json"
    arguments = ["evaluate", str(other_way_round), "--cache", str(training_cache), "--in-stream", "--json", str(out)]
    arguments += ["--page", str(out.with_suffix(".html"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "MIN_MENTIONS", 2)
        assert main(arguments) == 0
    return json.loads(out.read_text())


@pytest.mark.slow
def test_the_shipped_student_is_measured_on_what_it_hears(figures):
    (student,) = figures["students"]
    assert figures["n_utterances"] == sum(len(e.turns) for e in load_examples() if e.slug != "upset-stomach")
    assert student["auroc"] > 0.85 and student["auroc_95"][0] <= student["auroc"] <= student["auroc_95"][1]
    assert student["recall@1"] > 0.3 and student["recall@10"] > 0.7
    assert student["pairing"]["n_positive"] == 100 and student["pairing"]["mean"] > 0.1
    assert student["pairing"]["published_loss_largest"] < 1e-3  # the published loss can't see the pairing
    assert all(0 <= student["mismatch"][name] <= 1 for name in ("foreign_text_auroc", "same_consultation_auroc"))
    assert student["average_precision"] < figures["teacher_on_true_text"]["average_precision"] <= 1
    assert figures["tasks"]["retrieval"]["audio to text"]["recall@1"][0] == pytest.approx(student["recall@1"])


@pytest.mark.slow
def test_noise_costs_something_and_is_told(training_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "MIN_MENTIONS", 1)
    two = measuring_on(tmp_path, lambda row: row["path"] in ("chest-pain.flac", "low-mood.flac"))
    clean, noisy = (
        evaluate.evaluate_students(two, ["default"], training_cache, hearing=evaluate.Hearing(in_stream=True, snr_db=snr_db))
        for snr_db in (None, -10.0)
    )
    assert noisy["noise_snr_db"] == -10.0 and clean["noise_snr_db"] is None
    assert noisy["heard"] == clean["heard"] == "in stream"
    assert noisy["students"][0]["recall@1"] < clean["students"][0]["recall@1"] - 0.2


@pytest.mark.slow
def test_an_ablation_compares_arms_and_a_rerun_does_what_is_missing(
    other_way_round, training_cache, tmp_path, monkeypatch, capsys
):
    arms = {name: ablation.OBJECTIVE_ARMS[name] for name in ("CKA + InfoNCE", "+ self-supervision")}
    monkeypatch.setattr(ablation, "OBJECTIVE_ARMS", arms)
    out, json_out = tmp_path / "arms", tmp_path / "arms.json"
    options = ["--steps", "2", "--batch-size", "8", "--seeds", "2", "--cache", str(training_cache), "--json", str(json_out)]
    assert main(["ablate", str(MANIFEST), "--out", str(out), *options]) == 0
    figures = without_provenance(json.loads(json_out.read_text()))
    assert set(figures) == set(arms)
    for by_seed in figures.values():
        assert set(by_seed) == {"mean", "seed 0", "seed 1"}
        assert by_seed["mean"]["recall@1"] == pytest.approx((by_seed["seed 0"]["recall@1"] + by_seed["seed 1"]["recall@1"]) / 2)
    assert "reconstruction" in (out / "plus-self-supervision-seed0" / "log.jsonl").read_text()
    assert main(["ablate", str(MANIFEST), "--out", str(out), *options, "--arm", "no such arm"]) == 2
    assert "unknown arm 'no such arm'; the arms are: CKA + InfoNCE" in capsys.readouterr().err
    written = {path: path.read_bytes() for path in out.glob("*/*.pt")}
    assert main(["ablate", str(MANIFEST), "--out", str(out), *options]) == 0
    assert without_provenance(json.loads(json_out.read_text())) == figures
    assert all(path.read_bytes() == old for path, old in written.items())
    assert main(["ablate", str(other_way_round), "--out", str(out), *options]) == 2
    assert "data.splits" in capsys.readouterr().err


def test_a_mismatch_is_told_where_audio_lies_near_its_own_text_and_not_where_it_lies_anywhere():
    rng = np.random.default_rng(0)
    text = rng.standard_normal((60, 16))
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    texts, groups = [f"text {i}" for i in range(60)], [f"consultation {i // 10}" for i in range(60)]
    near = evaluate.mismatch(text, text, texts, groups)
    assert near == {"foreign_text_auroc": 1.0, "same_consultation_auroc": 1.0}
    anywhere = evaluate.mismatch(rng.permutation(text), text, texts, groups)
    assert all(0.3 < value < 0.7 for value in anywhere.values())
