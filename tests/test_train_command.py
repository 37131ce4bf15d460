"""One command, a CSV, and a checkpoint that loads: what a newcomer does first, on the bundled set."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from medalign.cli import main
from medalign.core.assets import EXAMPLES
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.models.student import Student
from medalign.training.model_card import write_card

TINY = ["--steps", "14", "--batch-size", "12", "--validate-every", "7", "--renderings", "clean", "--device", "cpu"]
MANIFEST = str(EXAMPLES / "manifest.csv")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cache):
    out = tmp_path_factory.mktemp("runs") / "first"
    assert main(["train", MANIFEST, "--out", str(out), "--cache", str(cache), *TINY]) == 0
    return out


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_loss_falls_on_the_bundled_set(trained):
    losses = [entry["loss"] for entry in log_of(trained)]
    assert len(losses) == 14
    assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4])


def test_the_folder_has_all_that_a_reader_needs(trained):
    story = json.loads((trained / "training.json").read_text())
    assert story["n_train_groups"] == 4 and story["n_valid_groups"] == 1
    assert story["recipe"]["train"]["n_steps"] == 14
    assert 0 <= story["validation"]["recall@1"] <= 1
    card = (trained / "README.md").read_text()
    assert "contrastive 1, cka 1, concept 0.5" in card and "14 steps of 12 pairs" in card
    assert "recall@1" in card and "Not a medical device" in card
    assert "--loss contrastive=1,cka=1,concept=0.5 --steps 14 --batch-size 12 --lr 0.001" in card and "--seed 0" in card
    assert "plotly" in (trained / "curves.html").read_text()


def test_the_checkpoint_loads_and_hears(trained):
    student = Student.from_pretrained(str(trained))
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal(n * SAMPLE_RATE_HZ).astype(np.float32) * 0.1 for n in (2, 3)]
    embedded = student.encode(clips)
    assert embedded.shape == (2, student.config.head.embed_dim)
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1, abs=1e-5)


def test_another_seed_gives_another_student_and_the_same_seed_the_same(trained, tmp_path, cache):
    for seed, same in (("0", True), ("1", False)):
        out = tmp_path / seed
        assert main(["train", MANIFEST, "--out", str(out), "--cache", str(cache), "--seed", seed, *TINY]) == 0
        assert ([e["loss"] for e in log_of(out)] == [e["loss"] for e in log_of(trained)]) is same


def test_runs_join_into_one_student_with_their_weights(trained, tmp_path, cache, capsys):
    second, joined = tmp_path / "second", tmp_path / "joined"
    assert main(["train", MANIFEST, "--out", str(second), "--cache", str(cache), "--seed", "1", *TINY]) == 0
    assert main(["join", str(trained), str(second), "--out", str(joined), "--weights", "1,0.5"]) == 0
    clips = [np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE_HZ).astype(np.float32) * 0.1]
    one, other = (Student.from_pretrained(str(run)).encode(clips) for run in (trained, second))
    mean = one + 0.5 * other
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    assert Student.from_pretrained(str(joined)).encode(clips) == pytest.approx(mean, abs=2e-3)  # stored in half precision
    members = json.loads((joined / "training.json").read_text())["members"]
    assert [(m["recipe"]["train"]["seed"], m["weight"]) for m in members] == [(0, 1.0), (1, 0.5)]
    assert (joined / "log-second.jsonl").read_text() == (second / "log.jsonl").read_text()
    card = (joined / "README.md").read_text()
    assert "2 heads are averaged, weighted 1, 0.5" in card
    assert f"medalign join runs/{trained.name} runs/second --out OUT --weights 1,0.5" in card and "--seed 1" in card
    refused = ["--out", str(tmp_path / "refused")]
    for runs, told in ([trained], "1 run"), ([trained, trained], "same weights"), ([trained, joined], "can't be joined"):
        assert main(["join", *map(str, runs), *refused]) == 2
        assert told in capsys.readouterr().err
    assert main(["join", str(trained), str(second), *refused, "--weights", "1"]) == 2
    assert "1 weights for 2 runs" in capsys.readouterr().err


@pytest.mark.parametrize("adapter", ["lora", "last-k"])
def test_an_encoder_can_be_trained_too(adapter, tmp_path, cache):
    out = tmp_path / adapter
    options = [*TINY, "--steps", "2", "--batch-size", "8", "--adapter", adapter, "--rank", "4", "--last-k", "1"]
    options += ["--loss", "contrastive=1,cka=1,keep-close=0.5"]
    assert main(["train", MANIFEST, "--out", str(out), "--cache", str(cache), *options]) == 0
    assert (out / "encoder.safetensors").is_file()
    log = log_of(out)
    assert log[0]["keep_close"] == 0 < log[1]["keep_close"]
    clip = np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE_HZ).astype(np.float32) * 0.1
    frozen, tuned = Student.from_pretrained(), Student.from_pretrained(str(out))
    assert not np.allclose(frozen.frames(clip).numpy(), tuned.frames(clip).numpy(), atol=1e-4)


def test_an_encoder_can_be_trained_in_half_precision(tmp_path, cache):
    """In a process of its own: Accelerate keeps one precision for the whole process."""
    options = [*TINY, "--steps", "1", "--batch-size", "8", "--adapter", "last-k", "--last-k", "1", "--bf16"]
    command = ["train", MANIFEST, "--out", str(tmp_path / "out"), "--cache", str(cache), *options]
    done = subprocess.run([sys.executable, "-m", "medalign", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.isfinite(log_of(tmp_path / "out")[0]["loss"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--batch-size", "200"], "56 training pairs don't fill a batch of 200"),
        (["--batch-size", "3"], "4 pairs"),
        (["--loss", "contrastive=1,magic=2"], "magic"),
        (["--encoder", "nowhere/at-all"], "nowhere/at-all"),
        (["--noise", "no-such-folder"], "no-such-folder"),
    ],
)
def test_what_can_not_work_ends_with_one_line(options, told, tmp_path, cache, capsys):
    arguments = ["train", MANIFEST, "--out", str(tmp_path / "out"), "--cache", str(cache), *TINY, *options]
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("medalign: ") and told in error


def test_a_card_is_written_from_the_figures_in_the_folder(trained, tmp_path):
    folder = tmp_path / "student"
    shutil.copytree(trained, folder)
    student = {"name": "first",
               "auroc": 0.9, "auroc_95": [0.88, 0.92], "average_precision": 0.5, "average_precision_95": [0.4, 0.6],
               "average_precision_against_rivals": 0.55,
               "recall@1": 0.3, "recall@1_95": [0.2, 0.4], "recall@10": 0.6, "recall@10_95": [0.5, 0.7],
               "probe_average_precision": 0.55,
               "mismatch": {"foreign_text_auroc": 0.99, "same_consultation_auroc": 0.97},
               "pairing": {"n_batches": 100, "n_positive": 100, "mean": 0.4, "published_loss_largest": 1e-7}}  # fmt: skip
    figures = {"heard": "alone", "noise_snr_db": 5.0, "n_utterances": 10, "n_groups": 3, "n_concepts": 4,
               "students": [student, student],
               "unaligned_encoder": {"probe_average_precision": 0.25},
               "teacher_on_true_text": {"auroc": 0.99, "average_precision": 0.8,
                                        "average_precision_against_rivals": 0.85}}  # fmt: skip
    (folder / "evaluation.json").write_text(json.dumps(figures))
    write_card(folder)
    card = (folder / "README.md").read_text()
    assert "| pink noise at 5 dB, alone: 10 utterances of 3 consultations, 4 concepts |" in card
    assert "| zero-shot AUROC | **0.900** [0.880-0.920]; 0.900 (0.900-0.900) |" in card
    assert "| the same probe on the unaligned encoder's mean | 0.250 |" in card and "100 of 100 batches" in card
