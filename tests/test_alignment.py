"""The objective sees the pairing: true of the losses here but one, kept for comparison (design: AcuLA model.py:57-70)."""

import math

import pytest
import torch

from medalign.training.losses import (
    concept_loss,
    debiased_cka,
    draw_token_mask,
    effective_rank,
    info_nce,
    masked_reconstruction,
    published_loss,
    siglip,
)


def paired(n: int = 48, d: int = 64, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two noisy views of one low-rank latent."""
    g = torch.Generator().manual_seed(seed)
    latent = torch.randn(n, 8, generator=g)
    views = [latent @ torch.randn(8, d, generator=g) + 0.1 * torch.randn(n, d, generator=g) for _ in range(2)]
    return views[0], views[1]


def unit(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(x, dim=-1)


def padded(n: int, length: int, d: int = 16, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit tokens (n, length, d) and their mask (n, length); rows have 1 to `length` tokens, and noise beyond."""
    g = torch.Generator().manual_seed(seed)
    n_tokens = torch.randint(1, length + 1, (n, 1), generator=g)
    return unit(torch.randn(n, length, d, generator=g)), torch.arange(length) < n_tokens


def test_cka_of_a_representation_with_itself_is_one():
    audio, _ = paired()
    assert debiased_cka(audio, audio).item() == pytest.approx(1, abs=1e-5)


def test_cka_does_not_change_under_rotation_scale_and_shift():
    audio, text = paired()
    rotation, _ = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(1)))
    assert debiased_cka(audio @ rotation * 3 + 5, text).item() == pytest.approx(debiased_cka(audio, text).item(), abs=1e-3)


def test_cka_of_rows_that_are_much_alike_is_that_of_their_differences():
    """As of an encoder before any training: one processor's rounding once gave a number, another's NaN."""
    audio, text = paired()
    assert debiased_cka(audio * 1e-3 + 5, text).item() == pytest.approx(debiased_cka(audio, text).item(), abs=1e-2)


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


def test_the_published_loss_cannot_see_the_pairing():
    audio, text = paired(n=24, d=512)
    shuffled = text[torch.randperm(len(text), generator=torch.Generator().manual_seed(2))]
    assert published_loss(audio, shuffled).item() == pytest.approx(published_loss(audio, text).item(), abs=1e-5)
    assert debiased_cka(audio, text) > 0.8
    assert abs(debiased_cka(audio, shuffled)) < 0.2


def test_the_published_loss_changes_under_rotation_and_needs_equal_widths():
    audio, text = paired()
    rotation, _ = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(1)))
    assert published_loss(audio, audio).item() == pytest.approx(0, abs=1e-5)
    assert published_loss(audio, audio @ rotation) > 0.1  # CKA is 1 here
    with pytest.raises(ValueError, match="equal widths, got 10 and 64"):
        published_loss(audio[:, :10], text)


def test_siglip_equals_a_double_loop():
    audio, text = (unit(x) for x in paired(n=6))
    same_text = torch.eye(6, dtype=torch.bool)
    same_text[1, 4] = same_text[4, 1] = True
    naive = 0.0
    for i in range(6):
        for j in range(6):
            logit = 10 * (audio[i] @ text[j]).item() - 3
            naive += math.log1p(math.exp(-logit if same_text[i, j] else logit)) / 6
    scale, bias = torch.tensor(math.log(10)), torch.tensor(-3.0)
    assert siglip(audio, text, scale, bias, same_text).item() == pytest.approx(naive, abs=1e-4)


def test_equal_texts_are_positives_to_siglip():
    audio = unit(torch.eye(4)[[0, 0, 1, 2]])
    same_text = (audio @ audio.T) > 0.99
    scale, bias = torch.tensor(math.log(100)), torch.tensor(-50.0)
    assert siglip(audio, audio, scale, bias, same_text).item() == pytest.approx(0, abs=1e-6)
    assert siglip(audio, audio, scale, bias).item() == pytest.approx(2 * 50 / 4, abs=1e-4)  # two twins taken for negatives


def test_mask_draws_repeat_with_the_seed_and_leave_the_default_generator_alone():
    _, token_mask = padded(50, 80)
    state = torch.get_rng_state()
    first, again, other = (draw_token_mask(token_mask, 0.4, 5, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("share", "span"), [(0.15, 1), (0.3, 5), (0.5, 10), (0.7, 4)])
def test_mask_draws_keep_the_share_and_stay_off_padding(share, span):
    n_tokens = torch.arange(40, 120)[:, None]
    token_mask = torch.arange(120) < n_tokens
    drawn = [draw_token_mask(token_mask, share, span, torch.Generator().manual_seed(seed)) for seed in range(40)]
    assert not any((masked & ~token_mask).any() for masked in drawn)
    shares = torch.stack([masked.sum(1) / n_tokens[:, 0] for masked in drawn])  # (40 seeds, n)
    assert shares.mean().item() == pytest.approx(share, abs=0.01)
    assert (shares * n_tokens[:, 0] - share * n_tokens[:, 0]).abs().max() <= span + 1e-3
    # No place is favoured, but for the edges, which fewer spans can cover.
    places = torch.stack(drawn).float().mean(0)[-1, 10:100]
    assert places.std() < 0.15 and places.mean().item() == pytest.approx(share, abs=0.06)


def test_masked_tokens_come_in_spans_and_every_row_has_one():
    token_mask = torch.arange(30) < torch.tensor([1, 3, 4, 5, 30])[:, None]
    for seed in range(50):
        masked = draw_token_mask(token_mask, 0.05, 4, torch.Generator().manual_seed(seed))
        assert masked.sum(1).tolist() == [1, 3, 4, 4, 4]  # a row shorter than a span is hidden whole
        assert int(masked.int().diff(dim=1).eq(-1).sum(1).max()) <= 1  # one piece
    gaps = torch.arange(30)[None] % 3 > 0
    assert not (draw_token_mask(gaps, 0.5, 4, torch.Generator().manual_seed(0)) & ~gaps).any()


def test_mask_draws_refuse_what_they_cannot_do():
    token_mask, generator = torch.ones(2, 10, dtype=torch.bool), torch.Generator()
    for share, span in [(0.0, 2), (1.0, 2), (0.5, 0)]:
        with pytest.raises(ValueError, match="share must lie in"):
            draw_token_mask(token_mask, share, span, generator)
    with pytest.raises(ValueError, match="row without a token"):
        draw_token_mask(token_mask & torch.tensor([[True], [False]]), 0.5, 2, generator)


def test_reconstruction_is_judged_on_masked_tokens_only():
    log_mel, masked = torch.zeros(2, 5, 3), torch.zeros(2, 5, dtype=torch.bool)
    masked[0, 1] = masked[1, 4] = True
    predicted = torch.full((2, 5, 3), 100.0)
    predicted[0, 1], predicted[1, 4] = 1, 3
    assert masked_reconstruction(predicted, log_mel, masked).item() == pytest.approx((1 + 9) / 2)
    with pytest.raises(ValueError, match="no token is masked"):
        masked_reconstruction(predicted, log_mel, masked & False)
    with pytest.raises(ValueError, match="one shape"):
        masked_reconstruction(predicted, log_mel[:, :1], masked)


def test_effective_rank_counts_the_directions_that_embeddings_use():
    g = torch.Generator().manual_seed(0)
    one = torch.randn(1, 32, generator=g)
    noise = torch.randn(4000, 32, generator=g)
    assert effective_rank(one.repeat(100, 1)) == 1
    assert effective_rank(one.repeat(100, 1) * (1 + 1e-7 * noise[:100])) == 1  # equal but for rounding
    assert effective_rank(noise[:100, :1] * one + 1e-3 * noise[:100]) == pytest.approx(1, abs=0.01)  # on a line
    assert effective_rank(noise) == pytest.approx(32, abs=0.5)
    assert effective_rank(noise[:, :5] @ torch.randn(5, 64, generator=g)) < 5.01
