"""The objective sees the pairing: true of the losses here, not of the published code (design: AcuLA model.py:57-70)."""

import math

import pytest
import torch

from medalign.alignment import concept_loss, debiased_cka, info_nce


def paired(n: int = 48, d: int = 64, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two noisy views of one low-rank latent."""
    g = torch.Generator().manual_seed(seed)
    latent = torch.randn(n, 8, generator=g)
    views = [latent @ torch.randn(8, d, generator=g) + 0.1 * torch.randn(n, d, generator=g) for _ in range(2)]
    return views[0], views[1]


def unit(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(x, dim=-1)


def test_cka_of_a_representation_with_itself_is_one():
    audio, _ = paired()
    assert debiased_cka(audio, audio).item() == pytest.approx(1, abs=1e-5)


def test_cka_does_not_change_under_rotation_scale_and_shift():
    audio, text = paired()
    rotation, _ = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(1)))
    assert debiased_cka(audio @ rotation * 3 + 5, text).item() == pytest.approx(debiased_cka(audio, text).item(), abs=1e-3)


def test_shuffling_the_pairs_destroys_cka():
    audio, text = paired()
    shuffled = text[torch.randperm(len(text), generator=torch.Generator().manual_seed(2))]
    assert debiased_cka(audio, text) > 0.8
    assert abs(debiased_cka(audio, shuffled)) < 0.2


def test_cka_of_noise_is_about_zero_though_the_batch_is_far_smaller_than_the_width():
    g = torch.Generator().manual_seed(3)
    values = [debiased_cka(torch.randn(24, 512, generator=g), torch.randn(24, 512, generator=g)) for _ in range(100)]
    assert abs(sum(values) / 100) < 0.05


def test_cka_works_for_two_widths_and_needs_four_pairs():
    audio, text = paired()
    assert debiased_cka(audio[:, :10], text).isfinite()
    with pytest.raises(ValueError, match="at least 4 pairs, got 3"):
        debiased_cka(audio[:3], text[:3])


def test_cka_does_not_add_up_over_micro_batches():
    audio, text = paired()
    halves = (debiased_cka(audio[:24], text[:24]) + debiased_cka(audio[24:], text[24:])) / 2
    assert abs(halves - debiased_cka(audio, text)) > 1e-3


def test_info_nce_equals_cross_entropy_both_ways():
    audio, text = (unit(x) for x in paired())
    logits = 10 * audio @ text.T
    labels = torch.arange(len(audio))
    naive = (torch.nn.functional.cross_entropy(logits, labels) + torch.nn.functional.cross_entropy(logits.T, labels)) / 2
    assert info_nce(audio, text, torch.tensor(math.log(10))).item() == pytest.approx(naive.item(), abs=1e-5)


def test_equal_texts_are_no_negatives():
    audio = unit(torch.eye(4)[[0, 0, 1, 2]])  # two clips of the same sentence, both embedded perfectly
    text = audio.clone()
    scale = torch.tensor(math.log(50.0))
    assert info_nce(audio, text, scale, (text @ text.T) > 0.99).item() == pytest.approx(0, abs=1e-6)
    assert info_nce(audio, text, scale).item() == pytest.approx(math.log(2) / 2, abs=1e-6)  # the price of the twin


def test_every_alignment_loss_gets_worse_when_the_pairs_are_shuffled():
    scale, bias = torch.tensor(math.log(10.0)), torch.tensor(-5.0)
    for seed in range(100):
        audio, _ = paired(seed=seed)
        audio, text = unit(audio), unit(audio + 0.3 * torch.randn(audio.shape, generator=torch.Generator().manual_seed(seed)))
        order = torch.randperm(len(text), generator=torch.Generator().manual_seed(seed))
        mentioned = torch.eye(len(text), dtype=torch.bool)
        assert debiased_cka(audio, text[order]) < debiased_cka(audio, text)
        assert info_nce(audio, text[order], scale) > info_nce(audio, text, scale)
        assert concept_loss(audio, text[order], mentioned, scale, bias) > concept_loss(audio, text, mentioned, scale, bias)
