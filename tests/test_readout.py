"""Readouts: every layer's statistics, of the sound alone, at the speed and in the band that suit the sound."""

import numpy as np
import pytest
import torch
import transformers

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError
from medalign.models.encoders import load_audio_encoder
from medalign.models.readout import Readout, embed_readout


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whisper")
    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=24, decoder_ffn_dim=24, vocab_size=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=3,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return load_audio_encoder(str(folder))


def tone(hz, duration_s=2.0):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ)).astype(np.float32)


def spectral_peak_hz(waveform):
    return np.abs(np.fft.rfft(waveform)).argmax() * SAMPLE_RATE_HZ / len(waveform)


def test_the_last_layer_padded_is_what_students_hear(whisper):
    waveform = tone(200)
    hidden = whisper.hidden_layers(waveform, pad=True)
    assert hidden.shape == (3, 100, 16)
    assert (hidden[-1] - whisper(whisper.features([waveform]))[0, :100]).abs().max() < 1e-5


def test_without_padding_only_the_sound_is_heard(whisper):
    short, long = whisper.hidden_layers(tone(200)), whisper.hidden_layers(tone(200), pad=True)
    assert short.shape == long.shape
    assert (short[0, :90] - long[0, :90]).abs().max() < 1e-4  # before any attention there is no difference but at the end
    assert (short[-1] - long[-1]).abs().max() > 1e-3  # silence was attended to


def test_statistics_of_every_layer_in_order(whisper):
    waveform = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    row = embed_readout(whisper, [waveform])[0].reshape(3, 2, 16)
    layers = whisper.hidden_layers(waveform).detach().numpy()
    assert np.allclose(row[:, 0], layers.mean(1), atol=1e-5) and np.allclose(row[:, 1], layers.std(1), atol=1e-5)
    last = embed_readout(whisper, [waveform], Readout(layers="last", statistics=("mean",)))
    assert np.array_equal(last[0], row[-1, 0])


def test_a_row_depends_on_its_waveform_alone_and_long_ones_are_heard_to_their_end(whisper, monkeypatch):
    waveforms = [tone(100), tone(300, 0.01), tone(100, 5.0)]
    together = embed_readout(whisper, waveforms)
    assert together.dtype == np.float32 and np.isfinite(together).all()
    assert all(np.array_equal(embed_readout(whisper, [w])[0], row) for w, row in zip(waveforms, together, strict=True))
    monkeypatch.setattr(whisper, "chunk_s", 2.0)
    changed = tone(100, 5.0)
    changed[-SAMPLE_RATE_HZ // 2 :] = 0
    assert not np.allclose(embed_readout(whisper, [changed]), embed_readout(whisper, [tone(100, 5.0)]), atol=1e-4)


def test_faster_is_higher_and_shorter_and_the_band_is_that_of_the_recording():
    heard = Readout(speed=4).heard(tone(100))
    assert len(heard) == len(tone(100)) // 4 and spectral_peak_hz(heard) == pytest.approx(400, abs=3)
    mixed = tone(100) + 2 * tone(1500)
    assert spectral_peak_hz(Readout(speed=4, band_hz=(25, 400)).heard(mixed)) == pytest.approx(400, abs=3)
    assert spectral_peak_hz(Readout(speed=4, band_hz=(800, 8000)).heard(mixed)) == pytest.approx(6000, abs=3)


@pytest.mark.parametrize("wrong", [{"layers": "first"}, {"statistics": ()}, {"speed": 0}, {"band_hz": (400, 25)}])
def test_a_readout_that_is_none_is_refused(wrong):
    with pytest.raises(DataError):
        Readout(**wrong)


def test_nothing_to_read_out(whisper):
    assert len(embed_readout(whisper, [])) == 0
    with pytest.raises(DataError, match="waveform 1 has no samples"):
        embed_readout(whisper, [tone(100), tone(100)[:0]])
