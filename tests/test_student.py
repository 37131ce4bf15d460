"""The student hears what faster-whisper hears, says the same thing twice, and loads only what fits."""

import doctest
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from medalign.core.assets import CHECKPOINTS
from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import AudioError, CheckpointError, MedAlignError, WeightsError
from medalign.core.similarity import similarity
from medalign.core.weights import resolve
from medalign.models.adapter_config import AdapterConfig
from medalign.models.sound_references import SoundReferences
from medalign.models.student import DEFAULT_STUDENT, Student
from medalign.models.whisper_encoder import load_encoder, log_mel_of
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.notes.fits import NoteFits


@pytest.fixture(scope="module")
def waveform(examples):
    return load_recording(examples["cough-and-wheeze"].audio_path).waveform


def test_the_encoder_gives_what_faster_whispers_own_encoder_gives(waveform):
    from faster_whisper import WhisperModel

    folder = resolve("tiny.en", weight_files=("model.bin",)).folder
    theirs = WhisperModel(str(folder), device="cpu", compute_type="float32", local_files_only=True)
    log_mel = log_mel_of([waveform[: 30 * SAMPLE_RATE_HZ]], n_mels=80)
    with torch.inference_mode():
        ours = load_encoder(folder)(log_mel).last_hidden_state.numpy()
    assert ours.shape == (1, 1500, 384)
    assert np.abs(ours - np.array(theirs.encode(log_mel[0].numpy()))).max() < 2e-3


def test_the_log_mel_is_the_one_faster_whisper_computes(waveform):
    from faster_whisper.feature_extractor import FeatureExtractor

    chunk = waveform[: 30 * SAMPLE_RATE_HZ]
    ours = log_mel_of([chunk], n_mels=80)[0].numpy()
    theirs = FeatureExtractor()(chunk, padding=0)
    assert np.abs(ours - theirs[:, : ours.shape[1]]).max() < 1e-3


@pytest.mark.slow
def test_the_same_file_twice_and_in_a_batch_gives_the_same_embedding(student, waveform, forgetful):
    clips = [waveform[: n * SAMPLE_RATE_HZ] for n in (5, 3, 40)]  # the last one is more than a chunk
    alone = np.concatenate([student.encode([clip]) for clip in clips])
    again = np.concatenate([student.encode([clip]) for clip in clips])
    together = student.encode(clips)
    assert np.array_equal(alone, again)
    assert np.abs(alone - together).max() < 1e-5
    assert np.linalg.norm(alone, axis=1) == pytest.approx(1, abs=1e-5)


def test_audio_of_any_rate_and_shape_is_encoded_in_order(student, waveform):
    clips = [
        waveform[: 4 * SAMPLE_RATE_HZ],
        waveform[: 40 * SAMPLE_RATE_HZ],
        waveform[8 * SAMPLE_RATE_HZ : 12 * SAMPLE_RATE_HZ],
    ]
    embeddings = student.encode_audio(clips)
    assert embeddings.shape == (3, 384) and np.abs(embeddings - student.encode(clips)).max() < 1e-4
    stereo = [np.stack([halved(clip), halved(clip)], 1) for clip in clips[:1]]
    assert student.similarity(student.encode_audio(stereo, 8_000), embeddings[:1]).item() > 0.8
    as_integers = [(clips[0] * 32767).astype(np.int16)]
    assert student.similarity(student.encode_audio(as_integers, 16_000), embeddings[0]).item() > 0.999
    assert student.encode_audio([]).shape == (0, 384)
    with pytest.raises(AudioError, match="'audio 1' lasts 0.01 s"):
        student.encode_audio([clips[0], clips[0][:160]])


def halved(waveform):
    """Half the rate, by the mean of neighbours."""
    return waveform[: len(waveform) // 2 * 2].reshape(-1, 2).mean(1)


@pytest.mark.parametrize(
    ("audio", "told"),
    [
        (np.zeros(16_000, np.float32), "audio 0 is a float32; give a list"),
        ("speech.wav", "audio 0 is a str"),
        ([np.zeros(16_000), "speech.wav"], "audio 1 is a str"),
        ([np.zeros(0)], "'audio 0' is an array without samples"),
    ],
)
def test_what_is_no_list_of_arrays_is_refused(student, audio, told):
    with pytest.raises(AudioError, match=told):
        student.encode_audio(audio, 16_000)


def test_clips_go_through_the_encoder_together_where_that_is_faster(student, waveform, monkeypatch):
    """As on a GPU: the same embeddings, by fewer passes."""
    clips = [waveform[: 5 * SAMPLE_RATE_HZ], waveform[: 3 * SAMPLE_RATE_HZ], waveform[: 20 * SAMPLE_RATE_HZ]]
    alone = student.encode(clips)
    batches = []
    forward = student.encoder.forward
    monkeypatch.setattr(student.encoder, "forward", lambda features: batches.append(len(features.values)) or forward(features))
    monkeypatch.setattr(Student, "_n_at_once", 4)
    assert np.abs(student.encode(clips) - alone).max() < 1e-4
    assert batches == [3]


def test_similarity_is_the_cosine_of_every_pair():
    a, b = np.random.default_rng(0).normal(size=(2, 5)), np.random.default_rng(1).normal(size=(3, 5))
    expected = (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    assert np.allclose(similarity(a, b), expected) and similarity(a[0], b).shape == (1, 3)
    assert similarity(np.zeros((1, 5)), b).tolist() == [[0, 0, 0]]
    for odd in (np.zeros((2, 4)), np.zeros((2, 5, 1)), 3.0):
        with pytest.raises(MedAlignError, match="can't be compared"):
            similarity(a, odd)


@pytest.mark.parametrize("module", ["core.similarity", "models.student", "models.teacher"])
def test_the_examples_in_the_documentation_run(module):
    done = doctest.testmod(importlib.import_module(f"medalign.{module}"))
    assert done.attempted and not done.failed


SHAPES = """
from jaxtyping import install_import_hook
with install_import_hook(["medalign.core.similarity", "medalign.models", "medalign.evaluation"], "beartype.beartype"):
    from medalign.evaluation.concept_detection import macro_figures
    from medalign.evaluation.retrieval import recall_at_k
    from medalign.models import (
        concept_embeddings, encoders, head, sound_events, student, teacher, transcription, voice_encoder, whisper_encoder
    )
import numpy as np
from medalign.concepts import ConceptBank
from medalign.core.assets import EXAMPLES
from medalign.core.audio import load_recording
listener, reader = student.Student.from_pretrained(), teacher.Teacher()
recording = load_recording(EXAMPLES / "chest-pain.flac")
frames = listener.frames(recording.waveform[: 16_000 * 31])
audio = listener.embed(frames, [(0.0, 5.0), (5.0, 9.0), (9.0, 15.0)])
text = reader.encode(["chest pain", "an earache", "chest pain"])
recall_at_k(listener.similarity(audio, text), ["chest pain", "an earache", "chest pain"], pool=3)
concepts = concept_embeddings.concept_embeddings(reader, ConceptBank.default().concepts[:3])
macro_figures(audio @ concepts.T, np.eye(3, dtype=bool), min_mentions=1)
sound_events.SoundEventDetector.load(listener.folder, frames.shape[1]).detect(frames)
voice_encoder.VoiceEncoder.load().embed(recording.waveform, [(0.0, 2.0), (2.0, 3.0)])
recogniser = transcription.load_transcriber()
recogniser.log_likelihoods(recogniser.encode(recording.waveform[:48_000]), ["hello", "good day"])
try:
    listener.embed(frames[0], [(0.0, 1.0)])
except Exception as error:
    assert "embed" in str(error), error
else:
    raise AssertionError("a wrong shape passed: nothing was checked")
"""


@pytest.mark.slow
def test_arrays_have_the_shapes_that_annotations_promise():
    done = subprocess.run([sys.executable, "-c", SHAPES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_stretch_does_not_depend_on_its_batch(student, waveform):
    frames = student.frames(waveform)
    short, long = (10.0, 11.5), (20.0, 34.0)
    assert np.abs(student.embed(frames, [short, long])[0] - student.embed(frames, [short])[0]).max() < 1e-5


def test_frames_cover_the_whole_recording_at_fifty_a_second(student, waveform, monkeypatch):
    nothing = torch.zeros(1, 1500, student.encoder.dim)  # how many there are does not depend on what they are
    monkeypatch.setattr(student.encoder, "forward", lambda features: nothing.expand(len(features.values), -1, -1))
    for duration_s in (0.5, 29.9, 30.0, 31.0, 54.0, 55.0, 75.0):
        clip = waveform[: int(duration_s * SAMPLE_RATE_HZ)]
        assert len(student.frames(clip)) == pytest.approx(len(clip) / SAMPLE_RATE_HZ * 50, abs=1)


def test_chunks_are_joined_without_a_seam(student, waveform):
    """The same words give nearly the same frames, whether a chunk ends nearby or not."""
    whole, later = student.frames(waveform), student.frames(waveform[10 * SAMPLE_RATE_HZ :])
    stretch = (25.0, 31.0)  # crosses the joint at 27 s of the whole recording; at 15-21 s of the later one
    a = student.embed(whole, [stretch])[0]
    b = student.embed(later, [(stretch[0] - 10, stretch[1] - 10)])[0]
    assert a @ b > 0.9


def test_windows_cover_everything_once_started(student):
    for duration_s in (0.5, 5.9, 6.0, 6.1, 9.0, 100.0, 3600.0):
        windows = student.windows(duration_s)
        assert windows[0][0] == 0 and windows[-1][1] == pytest.approx(duration_s)
        assert all(b[0] <= a[1] for a, b in zip(windows, windows[1:], strict=False))


def test_lead_in_silence_hardly_moves_an_embedding(student, waveform):
    waveform = waveform[: 20 * SAMPLE_RATE_HZ]
    padded = np.concatenate([np.zeros(int(1.2 * SAMPLE_RATE_HZ), np.float32), waveform])
    assert (student.encode([waveform]) @ student.encode([padded]).T).item() > 0.95


def test_a_saved_student_is_the_same_student(student, waveform, tmp_path):
    student.save_pretrained(tmp_path)
    clip = waveform[: 4 * SAMPLE_RATE_HZ]
    assert np.array_equal(Student.from_pretrained(str(tmp_path)).encode([clip]), student.encode([clip]))


def copy_of_the_shipped(tmp_path):
    return shutil.copytree(CHECKPOINTS / DEFAULT_STUDENT, tmp_path / "student")


def test_a_checkpoint_of_another_size_lists_the_keys_that_do_not_fit(tmp_path):
    folder = copy_of_the_shipped(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["head"]["n_layers"] += 1
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"missing \['(members\.0\.)?blocks\.2\."):
        Student.from_pretrained(str(folder))


@pytest.mark.parametrize("place", ["the student", "head", "adapter"])
def test_a_configuration_with_another_key_names_it(tmp_path, place):
    folder = copy_of_the_shipped(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config.get(place, config)["colour"] = "blue"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"colour: unexpected keyword argument"):
        Student.from_pretrained(str(folder))


def test_another_encoder_than_the_one_in_training_is_refused(tmp_path):
    folder = copy_of_the_shipped(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"encoder_revision": "0123456789ab"}))
    with pytest.raises(CheckpointError, match="trained on encoder 'tiny.en' revision 0123456789ab, this one is 1a5afae06a4d"):
        Student.from_pretrained(str(folder))


def test_frames_of_half_precision_come_as_float32(waveform):
    student = Student.from_pretrained()
    full = student.frames(waveform[:SAMPLE_RATE_HZ])
    student.encoder.to(torch.bfloat16)
    half = student.frames(waveform[:SAMPLE_RATE_HZ])
    assert half.dtype == torch.float32 and not torch.equal(half, full)
    assert torch.nn.functional.cosine_similarity(half, full).min() > 0.95


def test_a_folder_of_another_model_is_no_student():
    folder = resolve("all-MiniLM-L6-v2", weight_files=("model.safetensors",)).folder
    with pytest.raises(CheckpointError, match="encoder: field required"):
        Student.from_pretrained(str(folder))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda config: [], "the whole: input should be an object"),
        (lambda config: config | {"head": []}, "head: input should be an object"),
        (lambda config: config | {"teacher": None}, "teacher: input should be a valid string"),
        (lambda config: config | {"hop_s": "3"}, "hop_s: input should be a valid number"),
        (lambda config: config | {"hop_s": 0}, "windows of 6.0 s every 0.0 s"),
        (lambda config: config | {"hop_s": 1e-9}, "hop of at least 0.1 s"),
        (lambda config: config | {"window_s": float("nan")}, "not JSON compliant"),
        (lambda config: {k: v for k, v in config.items() if k != "window_s"}, "window_s: field required"),
        (lambda config: config | {"n_members": 3}, "no ensemble"),
        (lambda config: config | {"member_weights": [1.0, 1.0, 1.0, -1.0]}, "no ensemble"),
        (lambda config: config | {"head": config["head"] | {"n_heads": 0}}, "n_heads 0 of a student's head"),
        (lambda config: config | {"head": config["head"] | {"n_heads": 7}}, "must divide"),
        (lambda config: config | {"head": config["head"] | {"n_layers": 10**9}}, "out of bounds"),
    ],
)
def test_a_malformed_configuration_is_one_sentence(tmp_path, change, told):
    folder = copy_of_the_shipped(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(change(config)))
    with pytest.raises(CheckpointError, match=told) as refusal:
        Student.from_pretrained(str(folder))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.write_bytes(b"not safetensors"), "not a readable safetensors file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "not a readable safetensors file"),
        (lambda path: path.write_bytes(b""), "not a readable safetensors file"),
        (lambda path: save_file({"x": np.zeros(3, np.float32)}, path), "missing .*unexpected"),
        (lambda path: save_file({k: v * np.nan for k, v in load_file(path).items()}, path), "not finite"),
    ],
)
def test_damaged_weights_are_one_sentence(tmp_path, damage, told):
    folder = copy_of_the_shipped(tmp_path)
    damage(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=told) as refusal:
        Student.from_pretrained(str(folder))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "fits.json"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_fifo_or_a_device_in_the_place_of_a_file_is_refused_unopened(tmp_path, name, make):
    folder = copy_of_the_shipped(tmp_path)
    (folder / name).unlink()
    make(folder / name)
    with pytest.raises(WeightsError, match=f"{name} is neither a file nor a folder"):
        Student.from_pretrained(str(folder))


def of(file: str, load: str):
    """The tensors of a shipped student's file, and what reads them."""
    folder = CHECKPOINTS / ("body-sounds-heart" if load == "references" else DEFAULT_STUDENT)
    return pytest.param(folder, file, load, id=file)


@pytest.mark.parametrize(
    ("folder", "file", "load"),
    [
        of("distractors.safetensors", "calibration"),
        of("note_references.safetensors", "notes"),
        of("references.safetensors", "references"),
    ],
)
def test_what_was_fitted_in_another_space_is_refused_when_it_is_loaded(tmp_path, folder, file, load):
    read = {"calibration": Calibration.load, "notes": NoteFits.load, "references": SoundReferences.load}[load]
    for path in folder.glob("*.json"):
        shutil.copy(path, tmp_path)
    path, tensors = tmp_path / file, load_file(folder / file)
    with safe_open(folder / file, "numpy") as stored:
        metadata = stored.metadata()
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 2)
    save_file(tensors, path, metadata)
    assert read(tmp_path, 384) is not None
    changes = {
        "'.*' has the shape .*x100, expected": lambda t: t[:, :100].copy(),
        "not finite": lambda t: np.full_like(t, np.nan),
        "holds int8, expected floating": lambda t: t.astype(np.int8),
    }
    for told, change in changes.items():
        save_file(tensors | {name: change(tensors[name])}, path, metadata)
        with pytest.raises(CheckpointError, match=f"{file} .*{told}"):
            read(tmp_path, 384)
    for make in (os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")):
        path.rmdir() if path.is_dir() else path.unlink()
        make(path)
        with pytest.raises(CheckpointError, match=f"{file} is not a regular file"):
            read(tmp_path, 384)


@pytest.mark.parametrize("sizes", [{"rank": 0}, {"rank": 1_000_000}, {"last_k": 10**9}, {"alpha": 1e300}, {"alpha": -1.0}])
def test_an_adapter_that_no_memory_holds_is_refused(sizes):
    with pytest.raises(CheckpointError, match="above 0, and at most 1024, 10000 and 1000"):
        AdapterConfig("lora", **sizes)


def test_an_unknown_student_is_one_sentence():
    with pytest.raises(WeightsError, match="neither a folder nor a known name"):
        Student.from_pretrained("no-such-student")


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the Hub: what was asked of it, and whether its repository is private."""
    import huggingface_hub
    from huggingface_hub import constants

    asked = SimpleNamespace(private=True, created=[], files=None)

    def create_repo(api, repo_id, *, private, exist_ok, repo_type):
        asked.created.append((repo_id, private, api.token))

    def upload(api, *, repo_id, folder_path, allow_patterns, commit_message, repo_type):
        files = [str(path.relative_to(folder_path)) for path in Path(folder_path).rglob("*") if path.is_file()]
        asked.files = sorted(huggingface_hub.utils.filter_repo_objects(files, allow_patterns=allow_patterns))
        return SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/1")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda api, repo_id: asked)
    return asked


def test_a_student_is_uploaded_without_the_state_of_its_run(hub, tmp_path):
    folder = copy_of_the_shipped(tmp_path)
    (folder / "wards").mkdir()
    for name in ("state.pt", "ward-3.wav", "wards/3.json", "curves.html"):
        (folder / name).touch()
    student = Student.from_pretrained(str(folder))
    assert student.push_to_hub("somebody/student", token="hf_x") == "https://hub/somebody/student/commit/1"
    assert hub.created == [("somebody/student", True, "hf_x")]
    shipped = {path.name for path in (CHECKPOINTS / DEFAULT_STUDENT).iterdir()}
    assert set(hub.files) == shipped | {"curves.html"}
    student.save_pretrained(tmp_path / "elsewhere")
    with pytest.raises(WeightsError, match="elsewhere lacks README.md"):
        student.push_to_hub("somebody/student")


def test_a_private_upload_does_not_go_to_a_public_repository(hub, tmp_path):
    hub.private = False
    student = Student.from_pretrained(str(copy_of_the_shipped(tmp_path)))
    with pytest.raises(WeightsError, match="'somebody/student' is public"):
        student.push_to_hub("somebody/student")
    assert hub.files is None
    student.push_to_hub("somebody/student", private=False)
    assert "model.safetensors" in hub.files


def test_an_upload_that_fails_is_one_sentence(hub, tmp_path, monkeypatch):
    import huggingface_hub

    student = Student.from_pretrained(str(copy_of_the_shipped(tmp_path)))

    def refuse(*_, **__):
        raise OSError("no token\nlog in first")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", refuse)
    with pytest.raises(WeightsError, match="could not be uploaded to the Hub as 'somebody/student': no token;") as caught:
        student.push_to_hub("somebody/student")
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="while HF_HUB_OFFLINE is set"):
        student.push_to_hub("somebody/student")
