"""Body sounds are learnt from reports: equal metadata is one target, labels are told apart, and two classes are no collapse."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from test_readout import whisper  # noqa: F401 - a fixture
from test_spectrogram_encoder import beats
from test_training import TRAIN, run

from medalign.cli import main
from medalign.concepts import ConceptBank
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import TrainingError
from medalign.models.adapters import AdapterConfig
from medalign.models.kernel_head import KernelHead
from medalign.models.student import Student
from medalign.models.teacher import Teacher
from medalign.training.data.augmentation import vary_body_sound
from medalign.training.data.batches import LiveChunks
from medalign.training.data.pairs import Pair, Pairs
from medalign.training.data.targets import Vocabulary, text_targets

NORMAL = ("The heart sounds are normal.", "Normal heart sounds on auscultation.")
ABNORMAL = ("The heart sounds are abnormal.", "Abnormal heart sounds on auscultation.")


def reports(n=12):
    """Pairs of two labels, each in two wordings."""
    for i in range(n):
        name, wordings = (("normal", NORMAL), ("abnormal", ABNORMAL))[i % 2]
        yield Pair(i, 0.0, 2.0, wordings[i // 2 % 2], f"group {i}", (name,), report_id=name)


def test_reports_of_equal_metadata_share_a_target_and_labels_stand_apart():
    pairs, teacher = list(reports()), Teacher("all-MiniLM-L6-v2")
    targets, numbers = text_targets(pairs, teacher, None)
    assert np.allclose(targets[0], targets[2]) and numbers[0] == numbers[2] != numbers[1]
    assert targets[0] @ targets[1] < -0.99 and np.allclose(np.linalg.norm(targets, axis=1), 1, atol=1e-5)
    plain, _ = text_targets([replace(pair, report_id=None) for pair in pairs], teacher, None)
    assert plain[0] @ plain[1] > 0.7 and not np.allclose(plain[0], plain[2])  # as they are: each wording for itself
    vocabulary = Vocabulary(("normal", "abnormal"), teacher.encode(["normal", "abnormal"]))
    told = vocabulary.told_apart(pairs)
    assert told[0] @ told[1] < -0.99 and vocabulary.embeddings[0] @ vocabulary.embeddings[1] > 0.3


def test_one_report_alone_is_left_where_it_is():
    one = [pair for pair in reports() if pair.report_id == "normal"]
    targets, _ = text_targets(one, Teacher("all-MiniLM-L6-v2"), None)
    assert np.isfinite(targets).all() and np.linalg.norm(targets[0]) > 0.9


def test_two_classes_learnt_perfectly_are_no_collapse_and_a_point_is_one(tmp_path):
    figures = {"score": 0.0, "effective_rank": 1.0, "teacher_rank": 1.0, "spread": 0.9}
    config = replace(TRAIN, n_steps=4, validate_every=2)
    run(tmp_path / "line", config, validate=lambda student: figures)
    with pytest.raises(TrainingError, match="collapsed"):
        run(tmp_path / "point", config, validate=lambda student: figures | {"spread": 1e-6})
    with pytest.raises(TrainingError, match="collapsed"):
        run(tmp_path / "rich", config, validate=lambda student: figures | {"teacher_rank": 20.0})


def test_a_varied_heart_is_still_one():
    heart = beats(75)
    varied = [vary_body_sound(heart, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert np.array_equal(varied[0], varied[1]) and not np.array_equal(varied[0], varied[2])
    for sound in varied:
        assert sound.shape == heart.shape and np.abs(sound).max() <= 1 and np.isfinite(sound).all()
        power = np.abs(np.fft.rfft(sound)) ** 2
        hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
        assert power[(hz > 30) & (hz < 100)].sum() > 0.7 * power.sum()  # a telephone's band begins at 300 Hz
    assert len(vary_body_sound(heart[:0], np.random.default_rng(0))) == 0


def test_hidden_tokens_are_hidden_from_the_encoder_where_they_lie_in_its_chunk():
    student = Student.untrained("spectrogram-heart", Teacher("all-MiniLM-L6-v2").info, 384, adapter=AdapterConfig("full"))
    frames = (np.zeros((100, 128), np.float16),) * 2
    pairs = Pairs(
        (Pair(0, 0.0, 4.0, "a", "a"), Pair(1, 2.0, 4.0, "b", "b")), frames, (), (beats(), beats()), student.encoder.frames_per_s
    )
    live = LiveChunks.of(np.array([0, 1]), pairs, student)
    hidden = torch.zeros(2, 30, dtype=torch.bool)
    hidden[0, 3], hidden[1, 2] = True, True
    found = live.hidden_frames(hidden)
    assert found[0].nonzero().flatten().tolist() == [12, 13, 14, 15]
    assert found[1].nonzero().flatten().tolist() == [58, 59, 60, 61]  # frame 50 on is the stretch


def test_the_student_that_ships_is_small_and_its_card_says_what_it_does_elsewhere():
    student = Student.from_pretrained("body-sounds-heart")
    assert student.encode([beats()]).shape == (1, 384) and student.config.encoder == "tiny.en@4x"
    assert sum(path.stat().st_size for path in student.folder.iterdir()) < 10e6
    card = (student.folder / "README.md").read_text()
    for told in ("A place it was not trained on", "never a diagnosis", "ODC-BY 1.0", "zero-shot AUROC", "--encoder tiny.en@4x"):
        assert told in card


@pytest.fixture
def manifest(tmp_path):
    """Beats with and without a murmur between the thuds, as `medalign reports` would list them."""
    rows = []
    rng = np.random.default_rng(0)
    for i in range(28):
        pair = next(p for k, p in enumerate(reports(28)) if k == i)
        sound = beats(rng.uniform(60, 100), 2.0, seed=i)
        if i % 2:
            t = np.arange(len(sound)) / SAMPLE_RATE_HZ
            sound = sound + 0.05 * np.sin(2 * np.pi * 220 * t) * rng.standard_normal(len(t))
        soundfile.write(tmp_path / f"{i}.flac", sound.astype(np.float32), SAMPLE_RATE_HZ)
        split = "valid" if i >= 16 else "train"
        rows.append([f"{i}.flac", pair.text, f"g{i}", split, pair.labels[0], pair.report_id])
    with open(tmp_path / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "text", "group", "split", "labels", "report_id"], *rows])
    return tmp_path / "manifest.csv"


@pytest.mark.slow
def test_a_student_of_body_sounds_is_trained_from_scratch_by_the_command(manifest, tmp_path, capsys, monkeypatch):
    bank = ConceptBank(ConceptBank.default().concepts[:3], ())
    monkeypatch.setattr(ConceptBank, "default", classmethod(lambda cls: bank))
    named = ["--encoder", "spectrogram-heart", "--encoder-lr", "2e-3", "--steps", "24", "--batch-size", "16", "--device", "cpu"]
    loss = ["--loss", "contrastive=1,cka=1,concept=0.5,reconstruction=0.1", "--validate-every", "12"]
    command = ["train", str(manifest), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), *named, *loss]
    assert main(command) == 2 and "give --adapter full" in capsys.readouterr().err
    assert main([*command, "--adapter", "full"]) == 0
    figures = json.loads((tmp_path / "out" / "training.json").read_text())["validation"]
    assert figures["score"] == figures["auroc"] > 0.8 and figures["teacher_rank"] == pytest.approx(1, abs=0.01)
    student = Student.from_pretrained(str(tmp_path / "out"))
    assert student.encode([beats()]).shape == (1, 384)
    assert sum(path.stat().st_size for path in (tmp_path / "out").glob("*.safetensors")) < 10e6


@pytest.mark.slow
def test_a_head_of_a_kernel_is_trained_by_the_command_and_is_the_same_when_loaded(manifest, tmp_path, whisper):  # noqa: F811
    out, options = tmp_path / "out", ["--renderings", "clean", "--steps", "8", "--batch-size", "12", "--validate-every", "4"]
    command = ["train", str(manifest), "--out", str(out), "--cache", str(tmp_path / "cache"), "--device", "cpu", *options]
    named, loss = ["--encoder", f"{whisper.name}@4x"], ["--loss", "contrastive=1,cka=1"]
    assert main([*command, *named, *loss, "--adapter", "lora"]) == 2, "only the head is trained"
    assert main([*command, *named, *loss]) == 0
    student = Student.from_pretrained(str(out))
    assert isinstance(student.head, KernelHead) and (student.config.head.n_landmarks, student.config.head.n_parts) == (16, 2)
    figures = json.loads((out / "training.json").read_text())["validation"]
    assert np.isfinite(figures["auroc"]) and student.head.landmarks.std() > 0.5
    first, again = student.encode([beats()]), Student.from_pretrained(str(out)).encode([beats()])
    assert np.array_equal(first, again) and np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
