"""The compact encoder: small, in the band of its sound, deaf to loudness and to its batch, and a student like any other."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from medalign.core.analysis import ModelInfo
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import CheckpointError
from medalign.models.adapters import AdapterConfig
from medalign.models.encoders import load_audio_encoder
from medalign.models.readout import embed_readout
from medalign.models.spectrogram import PRESETS, SpectrogramConfig, log_mel
from medalign.models.student import Student

HEART = PRESETS["spectrogram-heart"]


def beats(rate_per_min=75, duration_s=4.0, seed=0):
    """Two thuds a beat, at 60 Hz, in faint noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    since = t % (60 / rate_per_min)
    thuds = sum(a * np.exp(-(((since - at) / 0.03) ** 2)) for a, at in ((1.0, 0.1), (0.6, 0.4)))
    return (0.3 * thuds * np.sin(2 * np.pi * 60 * t) + 0.002 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("n_samples", [1, 319, 16_000, 16_001, 40_005])
def test_frames_cover_the_sound_and_the_network_is_small(name, n_samples):
    encoder = load_audio_encoder(name)
    assert encoder.kind == "spectrogram" and sum(p.numel() for p in encoder.parameters()) <= 2_000_000
    hidden = encoder(encoder.features([beats()[:n_samples]]))
    assert hidden.shape == (1, int(np.ceil(n_samples * encoder.frames_per_s / SAMPLE_RATE_HZ)), encoder.dim)
    assert hidden.isfinite().all()


@pytest.mark.parametrize("name", PRESETS)
def test_no_mel_band_is_empty(name):
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * SAMPLE_RATE_HZ).astype(np.float32)
    levels = log_mel(noise, PRESETS[name]).mean(0)
    assert levels.min() > -6  # in standard deviations; an empty band lies at the floor, 60 dB down


def test_a_row_does_not_depend_on_its_batch_nor_on_loudness():
    encoder = load_audio_encoder("spectrogram-heart")
    clips = [beats(), beats(90, 1.3), beats(60, 2.7)]
    together = encoder(encoder.features(clips))
    for clip, row in zip(clips, together, strict=True):
        alone, quiet = (encoder(encoder.features([c]))[0] for c in (clip, 0.1 * clip))
        assert (alone - row[: len(alone)]).abs().max() < 1e-4 and (alone - quiet).abs().max() < 1e-3


def test_an_event_is_where_it_was_heard_and_silence_is_zeros():
    changed = beats()
    before = log_mel(changed, HEART)
    changed[int(2.0 * SAMPLE_RATE_HZ) : int(2.1 * SAMPLE_RATE_HZ)] += beats()[1600:3200]
    moved = (log_mel(changed, HEART) - before).abs().amax(1)
    assert moved.argmax() * HEART.hop_s == pytest.approx(2.05, abs=0.1)
    assert log_mel(np.zeros(16_000, np.float32), HEART).abs().max() == 0


def test_what_is_hidden_is_not_heard():
    encoder = load_audio_encoder("spectrogram-heart")
    one, other = beats(), beats()
    other[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ] *= -1  # the same levels, so that the normalisation stays
    other[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ] = np.roll(other[SAMPLE_RATE_HZ : 2 * SAMPLE_RATE_HZ], 3000)
    hidden = torch.zeros(1, 100, dtype=torch.bool)
    hidden[:, 22:53] = True
    heard = [encoder(encoder.hide(encoder.features([w]), hidden)) for w in (one, other)]
    open_ = [encoder(encoder.features([w])) for w in (one, other)]
    assert (heard[0] - heard[1]).abs().max() < 0.1 * (open_[0] - open_[1]).abs().max()


def test_a_preset_that_has_learnt_nothing_is_always_the_same():
    torch.manual_seed(5)
    one = load_audio_encoder("spectrogram-lung")
    other = load_audio_encoder("spectrogram-lung", "spectrogram")
    assert one.revision == other.revision and len(one.revision) == 12
    assert np.array_equal(embed_readout(one, [beats()]), embed_readout(other, [beats()]))
    assert embed_readout(one, [beats()]).shape == (1, (1 + PRESETS["spectrogram-lung"].n_blocks) * 2 * one.dim)


def test_a_student_of_it_is_saved_and_loaded(tmp_path):
    small = {"model_dim": 20, "n_heads": 2, "n_layers": 1}
    student = Student.untrained("spectrogram-heart", ModelInfo("teacher", "0"), 12, adapter=AdapterConfig("full"), **small)
    with torch.no_grad():
        student.encoder.model.project.weight.add_(0.1)
    student.save_pretrained(tmp_path)
    assert np.array_equal(Student.from_pretrained(str(tmp_path)).encode([beats()]), student.encode([beats()]))


def test_a_folder_holds_another_size(tmp_path):
    config = SpectrogramConfig(rate_hz=2000, band_hz=(25.0, 400.0), n_mels=16, stem=8, width=16, n_blocks=1)
    torch.manual_seed(0)
    from medalign.models.spectrogram import SpectrogramNetwork

    save_file(SpectrogramNetwork(config).state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(asdict(config)))
    assert load_audio_encoder(str(tmp_path), "spectrogram").dim == 16
    (tmp_path / "config.json").write_text(json.dumps(asdict(config) | {"width": 24}))
    with pytest.raises(CheckpointError, match="wrong shape"):
        load_audio_encoder(str(tmp_path), "spectrogram")
    (tmp_path / "config.json").write_text(json.dumps(asdict(config) | {"band_hz": [25.0, 4000.0]}))
    with pytest.raises(CheckpointError, match="the band lies below half of it"):
        load_audio_encoder(str(tmp_path), "spectrogram")
