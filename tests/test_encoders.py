"""Encoders of every kind behind one interface, adapters that change what they say they change, and students of both."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file

from medalign.core.analysis import ModelInfo
from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import CheckpointError, WeightsError
from medalign.core.weights import resolve
from medalign.models import opera
from medalign.models.adapters import AdapterConfig, adapt, load_trained_state, trained_state
from medalign.models.audio_encoder import ENCODERS, AudioEncoder, Features, register_encoder
from medalign.models.encoders import load_audio_encoder
from medalign.models.student import Student

SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
CONVOLUTIONS = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
MODELS = {
    "whisper": transformers.WhisperConfig(
        d_model=32, encoder_layers=3, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=48, decoder_ffn_dim=48, vocab_size=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=3,
    ),
    "wav2vec2": transformers.Wav2Vec2Config(**SMALL, **CONVOLUTIONS, feat_extract_norm="layer", do_stable_layer_norm=True),
    "hubert": transformers.HubertConfig(**SMALL, **CONVOLUTIONS, feat_extract_norm="group"),
    "wavlm": transformers.WavLMConfig(**SMALL, **CONVOLUTIONS),
    "data2vec-audio": transformers.Data2VecAudioConfig(**SMALL, **CONVOLUTIONS, conv_pos_kernel_size=5),
    "ast": transformers.ASTConfig(**SMALL, max_length=200),
}  # fmt: skip
FRAMES_PER_S = dict.fromkeys(MODELS, 50) | {"ast": 10}
CHUNK_S = dict.fromkeys(MODELS, 30) | {"ast": 1.9}
LORA, LAST_2, FULL = AdapterConfig("lora", rank=2), AdapterConfig("last-k", last_k=2), AdapterConfig("full")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Models of transformers with random weights, one of each architecture."""
    found = {}
    for name, config in MODELS.items():
        torch.manual_seed(0)
        found[name] = tmp_path_factory.mktemp(name)
        transformers.AutoModel.from_config(config).save_pretrained(found[name])
        if name == "ast":
            extractor = transformers.ASTFeatureExtractor(max_length=config.max_length)
        else:
            extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=name != "hubert")
        extractor.save_pretrained(found[name])
    return found


@pytest.fixture(scope="module")
def waveform():
    return np.random.default_rng(0).normal(0, 0.1, 7 * SAMPLE_RATE_HZ).astype(np.float32)


every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_each_architecture_loads_by_its_folder(folders, waveform, name):
    encoder = load_audio_encoder(str(folders[name]))
    assert encoder.kind == ("whisper" if name == "whisper" else "transformers")
    assert (encoder.dim, encoder.frames_per_s, encoder.chunk_s) == (32, FRAMES_PER_S[name], CHUNK_S[name])
    assert encoder.name == str(folders[name]) and len(encoder.revision) == len("123456789012+123456789012")
    assert not encoder.training and not any(p.requires_grad for p in encoder.parameters())
    chunk = waveform[: int(1.5 * SAMPLE_RATE_HZ)]
    hidden = encoder(encoder.features([chunk, chunk[:9000]]))
    padded_s = encoder.chunk_s if name in ("whisper", "ast") else 1.5
    assert hidden.shape == (2, round(padded_s * encoder.frames_per_s), 32) and hidden.isfinite().all()


@every_model
@pytest.mark.parametrize("n_samples", [1, 319, 16000, 16001, 7 * 16000 - 5])
def test_frames_cover_the_recording(folders, waveform, name, n_samples):
    student = Student.untrained(str(folders[name]), ModelInfo("teacher", "0"), 12)
    frames = student.frames(waveform[:n_samples])
    assert len(frames) == max(1, int(np.ceil(n_samples * FRAMES_PER_S[name] / SAMPLE_RATE_HZ)))
    assert frames.isfinite().all()


@every_model
def test_a_row_does_not_depend_on_its_batch(folders, waveform, name):
    encoder = load_audio_encoder(str(folders[name]))
    clips = [waveform[:12345], waveform[: int(1.9 * SAMPLE_RATE_HZ)], waveform[100:9000], waveform[100:9000]]
    together = encoder(encoder.features(clips))
    for clip, row in zip(clips, together, strict=True):
        alone = encoder(encoder.features([clip]))[0]
        n_frames = int(np.ceil(len(clip) * encoder.frames_per_s / SAMPLE_RATE_HZ))
        assert (alone[:n_frames] - row[:n_frames]).abs().max() < 1e-4


def test_patches_of_a_spectrogram_become_time(folders, waveform):
    """A change of the sound at 1.5 s moves the frames there most: time has not been taken for frequency."""
    encoder = load_audio_encoder(str(folders["ast"]))
    with torch.no_grad():  # leave out the transformer, which mixes all times
        encoder.model.layers = torch.nn.ModuleList()
    changed = waveform[: int(1.9 * SAMPLE_RATE_HZ)].copy()
    before = encoder(encoder.features([changed]))
    changed[int(1.4 * SAMPLE_RATE_HZ) : int(1.6 * SAMPLE_RATE_HZ)] = 0
    moved = (encoder(encoder.features([changed])) - before)[0].norm(dim=1)
    assert moved[:12].max() < 1e-5 and moved[17:].max() < 1e-5 and moved[13:16].min() > 1e-3


@every_model
def test_joined_chunks_are_those_of_the_encoder(folders, waveform, name, monkeypatch):
    student = Student.untrained(str(folders[name]), ModelInfo("teacher", "0"), 12)
    encoder = student.encoder
    if name != "ast":
        monkeypatch.setattr(encoder, "chunk_s", 3.0)
    frames = student.frames(waveform)
    width = round(encoder.chunk_s * encoder.frames_per_s)
    margin = round(0.1 * encoder.chunk_s * encoder.frames_per_s)
    second = waveform[(width - 2 * margin) * int(SAMPLE_RATE_HZ / encoder.frames_per_s) :]
    second = second[: round(encoder.chunk_s * SAMPLE_RATE_HZ)]
    hidden = encoder(encoder.features([second]))[0, :width]
    joint = slice(width - margin, width + 3)  # in the whole; the second chunk begins 2 margins before width
    start = joint.start - (width - 2 * margin)
    assert (frames[joint] - hidden[start : start + margin + 3]).abs().max() < 1e-4


def adapted(folder, config):
    torch.manual_seed(1)
    encoder = load_audio_encoder(str(folder))
    adapt(encoder, config)
    return encoder


def loss_of(encoder, waveform):
    hidden = encoder(encoder.features([waveform[:SAMPLE_RATE_HZ], waveform[:8000]]))
    return (hidden * torch.randn(hidden.shape, generator=torch.Generator().manual_seed(2))).mean()


def train_two_steps(encoder, waveform):
    optimizer = torch.optim.AdamW([p for p in encoder.parameters() if p.requires_grad], lr=1e-2)
    encoder.train()
    for _ in range(2):
        optimizer.zero_grad()
        loss_of(encoder, waveform).backward()
        optimizer.step()
    encoder.eval()


@every_model
@pytest.mark.parametrize("config", [LORA, LAST_2, FULL], ids=lambda config: config.kind)
def test_an_adapter_trains_its_parameters_and_no_other(folders, waveform, name, config):
    if (name, config.kind) == ("wavlm", "lora"):
        with pytest.raises(CheckpointError, match="lora has no effect on 'wavlm'.*use last-k or full"):
            adapted(folders[name], config)
        return
    encoder = adapted(folders[name], config)
    before = {n: p.detach().clone() for n, p in encoder.model.named_parameters()}
    frozen = load_audio_encoder(str(folders[name]))
    features = frozen.features([waveform[:SAMPLE_RATE_HZ]])
    assert torch.equal(encoder(features), frozen(features))

    train_two_steps(encoder, waveform)
    trained = {n for n, p in encoder.model.named_parameters() if p.requires_grad}
    with_gradient = {n for n, p in encoder.model.named_parameters() if p.grad is not None}
    assert trained == with_gradient == set(trained_state(encoder))
    moved = {n for n, p in encoder.model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == trained
    if config.kind == "lora":
        assert all("lora_" in n and ("q_proj" in n or "v_proj" in n) for n in trained)
        assert len(trained) == 3 * 2 * 2  # layers, projections, factors
    elif config.kind == "last-k":
        norms = {n.rpartition(".")[0] for n in trained if "layers." not in n}
        expected = {"whisper": {"layer_norm"}, "wav2vec2": {"encoder.layer_norm"}, "ast": {"layernorm"}}
        assert norms == expected.get(name, set())
        assert all("layers.1." in n or "layers.2." in n for n in trained if "layers." in n)
    else:
        assert set(before) - trained <= {"embed_positions.weight", "masked_spec_embed"}

    fresh = adapted(folders[name], config)
    load_trained_state(fresh, trained_state(encoder))
    assert torch.equal(fresh(features), encoder(features)) and not torch.equal(fresh(features), frozen(features))


def test_a_frozen_adapter_leaves_everything_alone(folders):
    encoder = adapted(folders["hubert"], AdapterConfig("frozen"))
    assert trained_state(encoder) == {} and not encoder.train().model.training
    load_trained_state(encoder, {})


@every_model
@pytest.mark.parametrize("config", [AdapterConfig(), LORA, LAST_2], ids=lambda config: config.kind)
def test_a_student_of_any_encoder_is_saved_and_loaded(folders, waveform, tmp_path, name, config):
    if (name, config.kind) == ("wavlm", "lora"):
        pytest.skip("refused, see above")
    small = {"model_dim": 20, "n_heads": 2, "n_layers": 1}
    student = Student.untrained(str(folders[name]), ModelInfo("teacher", "0"), 12, adapter=config, **small)
    student.config = replace(student.config, window_s=2.0, hop_s=1.0)
    if config.kind != "frozen":
        train_two_steps(student.encoder, waveform)
    student.save_pretrained(tmp_path / "student")
    assert (tmp_path / "student" / "encoder.safetensors").is_file() == (config.kind != "frozen")
    loaded = Student.from_pretrained(str(tmp_path / "student"))
    assert loaded.config == student.config and loaded.windows(5.0) == student.windows(5.0)
    clips = [waveform, waveform[:20_000]]
    together = student.encode(clips)
    assert together.shape == (2, 12) and np.array_equal(loaded.encode(clips), together)
    assert np.abs(np.concatenate([loaded.encode([clip]) for clip in clips]) - together).max() < 1e-5


def test_a_student_without_its_trained_encoder_is_refused(folders, waveform, tmp_path):
    student = Student.untrained(str(folders["whisper"]), ModelInfo("teacher", "0"), 12, adapter=LORA)
    student.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"adapter": config["adapter"] | {"rank": 3}}))
    with pytest.raises(CheckpointError, match=r"wrong shape \['layers.0.self_attn.q_proj.lora_A"):
        Student.from_pretrained(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(config | {"adapter": config["adapter"] | {"kind": "last-k"}}))
    with pytest.raises(CheckpointError, match=r"missing \['layer_norm.bias.*unexpected \['layers.0.self_attn.q_proj.lora_A"):
        Student.from_pretrained(str(tmp_path))
    (tmp_path / "encoder.safetensors").unlink()
    with pytest.raises(CheckpointError, match="encoder.safetensors is missing"):
        Student.from_pretrained(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(config | {"adapter": config["adapter"] | {"kind": "some"}}))
    with pytest.raises(CheckpointError, match="adapter.kind: input should be 'frozen', 'lora', 'last-k' or 'full'"):
        Student.from_pretrained(str(tmp_path))


@pytest.fixture
def energy(monkeypatch, tmp_path):
    """Somebody else's encoder: the energy of each tenth of a second, on a line of learnt directions."""
    monkeypatch.setitem(ENCODERS, "energy", AudioEncoder)  # taken away afterwards

    @register_encoder
    class EnergyEncoder(AudioEncoder):
        kind = "energy"
        weight_files = ("energy.safetensors",)
        dim, frames_per_s, chunk_s = 8, 10.0, 2.0

        def __init__(self, weights):
            super().__init__(weights)
            self.model = torch.nn.Linear(1, self.dim)

        def features(self, waveforms):
            filled = [np.pad(w, (0, 32_000 - len(w))) for w in waveforms]
            return Features(torch.from_numpy(np.stack(filled)).unflatten(1, (20, 1600)).square().mean(2, keepdim=True))

        def forward(self, features):
            return self.model(features.values)

    torch.manual_seed(0)
    save_file({"weight": torch.zeros(1)}, tmp_path / "energy.safetensors")
    return tmp_path


def test_a_third_partys_class_is_an_encoder_like_any_other(energy, waveform, tmp_path):
    student = Student.untrained(str(energy), ModelInfo("teacher", "0"), 12, encoder_kind="energy", adapter=FULL)
    assert student.frames(waveform).shape == (70, 8)
    student.save_pretrained(tmp_path / "student")
    assert np.array_equal(Student.from_pretrained(str(tmp_path / "student")).encode([waveform]), student.encode([waveform]))


def test_an_adapter_without_a_layer_to_change_is_refused(energy, folders):
    with pytest.raises(CheckpointError, match="no attention layers named q_proj and v_proj"):
        adapt(load_audio_encoder(str(energy), "energy"), LORA)
    with pytest.raises(CheckpointError, match="no list of transformer layers; use full"):
        adapt(load_audio_encoder(str(energy), "energy"), LAST_2)
    with pytest.raises(CheckpointError, match="has 3 layers, fewer than last_k 4"):
        adapt(load_audio_encoder(str(folders["ast"])), AdapterConfig("last-k", last_k=4))
    with pytest.raises(CheckpointError, match="adapted already"):
        adapt(adapted(folders["ast"], LORA), LORA)
    with pytest.raises(CheckpointError, match="rank 0"):
        AdapterConfig("lora", rank=0)


def test_lora_without_peft_says_what_to_install(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(CheckpointError, match="pip install peft"):
        adapted(folders["whisper"], LORA)


def folder_with(tmp_path, config):
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    return str(tmp_path)


def test_models_without_a_time_axis_are_refused(tmp_path):
    text_model = str(resolve("all-MiniLM-L6-v2", weight_files=("model.safetensors",)).folder)
    for folder in (text_model, folder_with(tmp_path, {"model_type": "clap"})):
        with pytest.raises(CheckpointError, match="neither conv_stride .* no known time axis; give a Whisper"):
            load_audio_encoder(folder)


def test_files_that_are_not_the_model_are_one_sentence(folders, tmp_path):
    with pytest.raises(WeightsError, match="holds none of model.bin, model.safetensors"):
        load_audio_encoder(str(tmp_path))
    with pytest.raises(CheckpointError, match="'wisper' is unknown; use one of opera-gt, spectrogram, transformers, whisper"):
        load_audio_encoder(str(folders["whisper"]), "wisper")
    with pytest.raises(CheckpointError, match="holds a 'hubert', not a Whisper"):
        load_audio_encoder(str(folders["hubert"]), "whisper")
    with pytest.raises(CheckpointError, match="doesn't tell its model_type"):
        load_audio_encoder(folder_with(tmp_path, {}))
    with pytest.raises(CheckpointError, match="is not a readable audio model"):
        load_audio_encoder(folder_with(tmp_path, {"model_type": "no-such-model"}))
    config = json.loads((folders["hubert"] / "config.json").read_text())
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="of its weights are missing"):
        load_audio_encoder(folder_with(tmp_path, config))


def test_opera_is_read_by_its_own_names_and_nothing_else_is(tmp_path, waveform):
    torch.manual_seed(0)
    network = opera.OperaNetwork()
    torch.nn.init.normal_(network.pos_embed, std=0.5)
    state = network.state_dict()
    decoder = {"mask_token": torch.zeros(1, 1, 256), "decoder_pred.bias": torch.zeros(16)}
    file = tmp_path / "encoder-operaGT.ckpt"
    torch.save({"state_dict": state | decoder}, file)
    encoder = load_audio_encoder(str(tmp_path))
    assert (encoder.kind, encoder.dim, encoder.frames_per_s, encoder.chunk_s) == ("opera-gt", 384, 7.8125, 8.192)
    assert 21e6 < sum(p.numel() for p in encoder.parameters()) < 22e6  # as published
    hidden = encoder(encoder.features([waveform, waveform[:20_000]]))
    assert hidden.shape == (2, 64, 384) and hidden.isfinite().all()
    layers = encoder.hidden_layers(waveform[:20_000], pad=True)
    assert layers.shape == (13, 10, 384) and (layers[-1] - hidden[1, :10]).abs().max() < 1e-4
    assert encoder.hidden_layers(waveform[:20_000]).shape == layers.shape
    mel = encoder.features([waveform]).values
    assert mel.shape == (1, 256, 64) and mel.min() == 0 and mel.max() == 1
    for damaged, told in [
        ({k: v for k, v in state.items() if k != "norm.bias"}, r"missing \['norm.bias'\]"),
        (state | {"blocks.12.norm1.bias": torch.zeros(384)}, r"unexpected \['blocks.12.norm1.bias'\]"),
        (state | {"norm.bias": torch.zeros(3)}, r"wrong shape \['norm.bias'\]"),
    ]:
        torch.save({"state_dict": damaged}, file)
        with pytest.raises(CheckpointError, match=told):
            load_audio_encoder(str(tmp_path))
    file.write_bytes(b"half")
    with pytest.raises(CheckpointError, match="not a readable audio model"):
        load_audio_encoder(str(tmp_path))


def test_a_model_for_another_sampling_rate_is_refused(folders, tmp_path):
    transformers.AutoModel.from_pretrained(folders["hubert"]).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="takes audio at 8000 Hz, 16000 Hz is expected"):
        load_audio_encoder(str(tmp_path))
