"""Caches of frames: what is read is what the encoder, as it was trained, makes of these stretches of this sound."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from medalign.core.analysis import ModelInfo
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.models.adapters import AdapterConfig
from medalign.models.sound_events import LABELS
from medalign.models.student import Student
from medalign.training.data.manifest import Row, load_waveform
from medalign.training.data.pairs import build_alone, recording_frames
from medalign.training.data.sounds import Mixture
from medalign.training.fitting import fit_sound_events
from medalign.training.fitting.student_metrics import Hearing

FROZEN, LORA, LAST = AdapterConfig(), AdapterConfig("lora"), AdapterConfig("last-k", last_k=1)


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 4 * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)
    return path


@pytest.fixture
def student_of(untrained_whisper):
    """A student of the same encoder, of which a training has moved what the adapter lets it."""

    def make(adapter: AdapterConfig, moved_by: float = 0.0) -> Student:
        student = Student.untrained(str(untrained_whisper), ModelInfo("teacher", "0"), 12, adapter=adapter)
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in student.encoder.parameters():
                if parameter.requires_grad:
                    parameter.add_(moved_by * torch.randn_like(parameter))
        return student

    return make


def row(path, start_s: float, end_s: float) -> Row:
    return Row(path, f"from {start_s} s", "g", "valid", start_s, end_s)


def test_students_of_one_encoder_that_was_trained_differently_share_no_frames(sound, student_of, tmp_path):
    lora, other_scale = student_of(LORA, 0.3), student_of(AdapterConfig("lora", alpha=4), 0.3)  # the same factors
    students = [lora, student_of(FROZEN), student_of(LORA, 0.6), student_of(LAST, 0.3), other_scale]
    heard = [student.frames(load_waveform(sound)).numpy() for student in students]
    for student, own in zip(students, heard, strict=True):
        assert np.abs(recording_frames(sound, student, tmp_path) - own).max() < 0.01 * own.std()
    assert min(np.abs(a - b).max() for i, a in enumerate(heard) for b in heard[:i]) > 0.1

    rows = [row(sound, 0, 2)]
    *each, last = Hearing().pairs_of_each([*students, students[1]], rows, tmp_path)
    assert last is each[1], "one encoding for equal encoders"
    for i, (student, pairs) in enumerate(zip(students, each, strict=True)):
        assert torch.equal(pairs.stretch(0), build_alone(rows, student, tmp_path / str(i)).stretch(0))


def test_rows_that_were_moved_are_heard_anew(sound, student_of, tmp_path):
    student, moved = student_of(FROZEN), [row(sound, 1, 2), row(sound, 2, 4)]
    build_alone([row(sound, 0, 1), row(sound, 1, 3)], student, tmp_path)
    again, fresh = (build_alone(moved, student, tmp_path / folder) for folder in ("", "fresh"))
    assert all(torch.equal(again.stretch(i), fresh.stretch(i)) for i in range(2))
    assert not torch.equal(again.stretch(0), build_alone([row(sound, 0, 1)], student, tmp_path).stretch(0))


def test_mixtures_are_made_anew_for_another_encoder_or_of_other_speech(sound, student_of, tmp_path, monkeypatch):
    made = []

    def mix(takes, *_, **__):
        made.append(takes)
        return [Mixture(load_waveform(takes[0].audio_path), np.zeros((1, len(LABELS)), np.float32), ())]

    monkeypatch.setattr(fit_sound_events, "_made", mix)
    monkeypatch.setattr(fit_sound_events, "read_sounds", lambda *_: ())
    other = tmp_path / "b.wav"
    soundfile.write(other, load_waveform(sound)[::-1], SAMPLE_RATE_HZ)
    takes = [SimpleNamespace(audio_path=path, utterances=()) for path in (sound, other)]
    frozen, trained = student_of(FROZEN), student_of(LORA, 0.3)
    for student, take in ((frozen, takes[0]), (trained, takes[0]), (frozen, takes[1])) * 2:
        frames, _, _ = fit_sound_events._mixtures([take], tmp_path, "test", student, tmp_path, 1, 0)
        own = student.frames(load_waveform(take.audio_path)).numpy()
        assert np.abs(frames[0] - own).max() < 0.01 * own.std()
    assert len(made) == 3, "once each"
