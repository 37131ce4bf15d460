"""A head of a kernel: it learns what no straight line parts, loses nothing that was heard, and hears as the readout does."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_readout import tone, whisper  # noqa: F401 - a fixture

from medalign.core.errors import CheckpointError
from medalign.evaluation.linear_probe import LinearProbe
from medalign.models.encoders import load_audio_encoder
from medalign.models.head import HeadConfig, make_head
from medalign.models.kernel_head import KernelHead
from medalign.models.readout import Readout, embed_readout

CONFIG = HeadConfig(encoder_dim=8, embed_dim=24, model_dim=12, n_heads=1, n_landmarks=40, n_parts=2)


def apart(n=120, seed=0):
    """Statistics (n, 2, 8) and a class (n,) that only the product of two of them tells."""
    two = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 1, 2)).astype(np.float32))
    return two.repeat(1, 2, 4), two[:, 0].prod(1) > 0


def fitted():
    head = make_head(CONFIG)
    assert isinstance(head, KernelHead)
    texts = F.normalize(torch.randn(5, 24, generator=torch.Generator().manual_seed(1)), dim=-1)
    head.fit(apart()[0])
    head.keep_apart(texts)
    return head.eval(), texts


def test_what_was_heard_can_still_be_told_from_an_embedding_that_was_aligned_with_other_things():
    head, _ = fitted()
    with torch.no_grad():
        head.project.weight.normal_(generator=torch.Generator().manual_seed(2))
    (known, truth), (new, of_new) = apart(), apart(seed=1)
    with torch.inference_mode():
        probe = LinearProbe.fit(head.embed(known).numpy(), truth.numpy()[:, None])
        right = (probe.scores(head.embed(new).numpy())[:, 0] > 0.5) == of_new.numpy()
    straight = LinearProbe.fit(known.flatten(1).numpy(), truth.numpy()[:, None])
    by_chance = (straight.scores(new.flatten(1).numpy())[:, 0] > 0.5) == of_new.numpy()
    assert right.mean() > 0.85 and by_chance.mean() < 0.7


def test_what_is_carried_along_changes_nothing_in_how_well_a_text_fits():
    head, texts = fitted()
    with torch.inference_mode():
        heard = head.heard(apart(seed=1)[0])
        whole, aligned = head.placed(heard) @ texts.T, head.train().placed(heard).shape
        assert (head.carried(heard) @ texts.T).abs().max() < 1e-5
        plain = F.normalize(head.project(heard), dim=-1) @ texts.T
    assert aligned == (120, 24) and torch.corrcoef(torch.stack([whole.flatten(), plain.flatten()]))[0, 1] > 0.95


def test_padding_is_not_heard_and_a_fit_needs_as_many_clips_as_landmarks():
    head, _ = fitted()
    frames = torch.randn(2, 40, 8, generator=torch.Generator().manual_seed(3))
    mask = torch.arange(40) < torch.tensor([[25], [40]])
    alone = head(frames[:1, :25], torch.ones(1, 25, dtype=torch.bool))
    assert torch.allclose(head(frames, mask)[0], alone[0], atol=1e-5) and alone.norm().item() == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match="39 clips"):
        head.fit(apart(39)[0])
    with pytest.raises(CheckpointError, match="must divide the width"):
        HeadConfig(encoder_dim=8, embed_dim=24, n_parts=3)


def test_a_fast_whisper_hears_what_the_readout_at_that_speed_hears(whisper):  # noqa: F811
    fast = load_audio_encoder(f"{whisper.name}@4x")
    waveforms = [tone(100), tone(300, 0.01), tone(60, 5.003)]
    assert (fast.dim, fast.n_parts, fast.frames_per_s, fast.chunk_s) == (32, 2, 12.5, 120.0)
    features = fast.features(waveforms)
    with torch.inference_mode():
        together = fast(features)
        alone = [fast(fast.features([waveform]))[0] for waveform in waveforms]
    assert together.shape[:2] == features.mask.shape and features.mask.sum(1).tolist() == [25, 1, 63]
    assert all(torch.equal(together[i, : len(row)], row) for i, row in enumerate(alone))
    head = make_head(HeadConfig(encoder_dim=32, embed_dim=24, model_dim=8, n_heads=1, n_landmarks=8, n_parts=2))
    found = head.statistics(alone[0][None], torch.ones(1, 25, dtype=torch.bool))[0]
    readout = embed_readout(whisper, waveforms[:1], Readout(speed=4.0)).reshape(3, 32)[:2]
    assert np.allclose(found.numpy(), readout, atol=1e-5)


def test_of_as_many_components_as_landmarks_none_outweighs_the_others():
    """Few recordings: each is a landmark, and once their mean is off, they span one component less."""
    head = KernelHead(8, 24, n_parts=2, n_landmarks=16, n_components=16)
    head.fit(apart(16)[0])
    with torch.inference_mode():
        heard = head.heard(apart(60, seed=1)[0]).square().mean(0)
    assert heard[-1] == 0 and heard.max() < 10 * heard.median()
