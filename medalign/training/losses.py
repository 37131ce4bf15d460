"""The alignment objective: pure functions of two sets of embeddings, no model in here.

Conventions: row i of `audio` (n, d_audio) belongs to row i of `text` (n, d_text). Everything is computed in float32, so
call outside autocast. CKA compares representations as a whole and needs no shared space; InfoNCE, SigLIP and
the concept term give each clip a score of its own and do. CKA depends on the batch and does not add up over
micro-batches, so nothing here may be accumulated; `medalign.training.large_batch` is the way to a larger batch.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_SPREAD = 1e-5  # of rows around their mean, as a share of their length: less is float32's rounding in an encoder


def debiased_hsic(k: Tensor, m: Tensor) -> Tensor:
    """Unbiased estimate of HSIC from two Gram matrices (n, n); a scalar.

    Raises:
        ValueError: if n < 4, since the estimator divides by n - 3.

    Source: Song et al. 2012, Feature Selection via Dependence Maximization, JMLR 13, eq. 5 (K and L there).
    """
    n = k.shape[0]
    if n < 4:
        raise ValueError(f"debiased HSIC needs at least 4 pairs, got {n}")
    k, m = k - torch.diag(k.diagonal()), m - torch.diag(m.diagonal())
    trace = (k * m).sum()  # both are symmetric
    means = k.sum() * m.sum() / ((n - 1) * (n - 2))
    cross = 2 / (n - 2) * (k.sum(0) * m.sum(0)).sum()
    return (trace + means - cross) / (n * (n - 3))


def debiased_cka(audio: Tensor, text: Tensor) -> Tensor:
    """Debiased linear CKA: 1 for equal representations, about 0 for unrelated ones; shuffled pairs lower it to about 0.

    Unlike the published AcuLa loss, which compares feature covariances and can't see the pairing, this compares
    recordings with recordings. A ratio of unbiased terms: debiased, not unbiased. May be slightly negative.

    Args:
        audio: (n, d_audio), n >= 4.
        text: (n, d_text), same order; the width may differ.

    Returns:
        A scalar, differentiable in both; NaN if the rows of one side are equal but for rounding, or if the estimate of
        their own HSIC is not positive.

    Source: Kornblith et al. 2019 (arXiv 1905.00414) with HSIC of Song et al. 2012.
    """
    audio, text = _centred(audio.float()), _centred(text.float())
    k, m = audio @ audio.T, text @ text.T
    return debiased_hsic(k, m) / (debiased_hsic(k, k) * debiased_hsic(m, m)).sqrt()


def _centred(rows: Tensor) -> Tensor:
    """Rows without their mean; NaN if nothing but rounding is left.

    The estimate is the same without it, but keeps its digits: of rows that are much alike, an encoder's before any training,
    the products would differ in their last bits only, and whether there is a result would be up to the processor.
    """
    centred = rows - rows.mean(0)
    is_told_apart = centred.norm() > LEAST_SPREAD * rows.norm()
    return torch.where(is_told_apart, centred, torch.nan)


def info_nce(audio: Tensor, text: Tensor, log_scale: Tensor, same_text: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE over unit vectors: cross-entropy of each clip's own text among all texts and the reverse, halved.

    Equal texts are no negatives: they are left out of each other's denominators. Averaging over them as further positives, the
    usual remedy, changes nothing: with equal text embeddings both forms give the same value, log 2 too much for each twin.

    Args:
        audio: (n, d), unit length.
        text: (n, d), unit length.
        log_scale: log of the inverse temperature, a scalar.
        same_text: (n, n) bool, True where texts i and j are equal; the identity if None.

    Source: van den Oord et al. 2018 (arXiv 1807.03748); symmetric as in CLIP (arXiv 2103.00020).
    """
    logits = log_scale.exp() * audio.float() @ text.float().T
    diagonal = torch.arange(len(logits), device=logits.device)
    if same_text is not None:
        twin = same_text & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(twin, -torch.inf)
    return (F.cross_entropy(logits, diagonal) + F.cross_entropy(logits.T, diagonal)) / 2


def siglip(audio: Tensor, text: Tensor, log_scale: Tensor, bias: Tensor, same_text: Tensor | None = None) -> Tensor:
    """Sigmoid loss of every clip against every text, each pair for itself; equal texts are positives.

    Args:
        audio: (n, d), unit length.
        text: (n, d), unit length.
        log_scale, bias: scalars; the logit is exp(log_scale) * cosine + bias.
        same_text: (n, n) bool, True where texts i and j are equal; the identity if None.

    Returns:
        A scalar: the sum over texts, averaged over clips.

    Source: Zhai et al. 2023 (arXiv 2303.15343).
    """
    pairs = torch.eye(len(audio), dtype=torch.bool, device=audio.device)
    return concept_loss(audio.float(), text.float(), pairs if same_text is None else same_text | pairs, log_scale, bias)


def published_loss(audio: Tensor, text: Tensor) -> Tensor:
    """The loss of the published AcuLa code, which its docstring calls CKA. Kept as a comparison arm only.

    It compares feature covariances, d x d, and these don't change when the rows of one side are reordered: the loss
    can't see which text belongs to which recording. It isn't rotation-invariant either, so it is no CKA.

    Args:
        audio: (n, d).
        text: (n, d).

    Returns:
        A scalar, 0 for equal covariances up to scale; NaN if all rows of one side are equal.

    Raises:
        ValueError: if the widths differ.

    Source: janine714/AcuLA@781a96b model.py:57-70.
    """
    if audio.shape[1] != text.shape[1]:
        raise ValueError(
            f"the published loss needs equal widths, got {audio.shape[1]} and {text.shape[1]}: project one side first"
        )
    audio, text = audio.float(), text.float()
    audio, text = audio - audio.mean(0), text - text.mean(0)
    k, m = audio.T @ audio, text.T @ text
    return 1 - (k * m).sum() / (k.norm() * m.norm())


def concept_loss(audio: Tensor, concepts: Tensor, mentioned: Tensor, log_scale: Tensor, bias: Tensor) -> Tensor:
    """Sigmoid loss of each clip against each concept's text; several concepts, or none, may be mentioned in a clip.

    Args:
        audio: (n, d), unit length.
        concepts: (k, d), unit length.
        mentioned: (n, k) bool.
        log_scale, bias: scalars; the logit is exp(log_scale) * cosine + bias.

    Returns:
        A scalar: the sum over concepts, averaged over clips.

    Source: SigLIP, Zhai et al. 2023 (arXiv 2303.15343), with a concept's text in the place of the caption.
    """
    logits = log_scale.exp() * audio @ concepts.T + bias
    sign = mentioned.float() * 2 - 1
    return -F.logsigmoid(sign * logits).sum(1).mean()


def draw_token_mask(token_mask: Tensor, share: float, span: int, generator: torch.Generator) -> Tensor:
    """Which tokens to hide for `masked_reconstruction`: spans that don't overlap, anywhere in a row alike.

    Spans, since a single hidden token can be read off its neighbours. A fraction of a span is rounded up or down by
    chance, so that short rows keep the share on average; a row gets at least one span, and a row shorter than a span
    is hidden whole.

    Args:
        token_mask: (n, length) bool, True where there is a token.
        share: of each row's tokens, in (0, 1).
        span: tokens.
        generator: the only source of chance; may be on another device than `token_mask`.

    Returns:
        (n, length) bool, on the device of `token_mask`; True only where `token_mask` is.

    Raises:
        ValueError: `share` or `span` out of range, or a row without a token.
    """
    if not 0 < share < 1 or span < 1:
        raise ValueError(f"share must lie in (0, 1) and span be at least 1, got {share} and {span}")
    valid = token_mask.to(generator.device)
    n, length = valid.shape
    n_tokens = valid.sum(1, keepdim=True)  # (n, 1), as all of the counts below
    if not n_tokens.all():
        raise ValueError("a row without a token has nothing to mask: leave it out of the batch")

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device)

    spans = n_tokens.clamp(max=span)  # tokens each
    n_spans = (share * n_tokens / spans + draw(n, 1)).long().clamp(min=1).minimum(n_tokens // spans)
    # Shrink each span to one slot, choose among the slots, and grow the chosen ones again: no two can overlap.
    n_slots = n_tokens - n_spans * (spans - 1)
    slot = torch.arange(length, device=valid.device)
    order = draw(n, length).masked_fill(slot >= n_slots, 2).argsort(1).argsort(1)  # rank of each slot; the unusable last
    chosen = order < n_spans
    start = slot + (chosen.cumsum(1) - 1) * (spans - 1)
    edges = torch.zeros(n, length + 1, dtype=torch.long, device=valid.device)
    edges.scatter_add_(1, start.clamp(0, length), chosen.long())
    edges.scatter_add_(1, (start + spans).clamp(0, length), -chosen.long())
    hidden = edges.cumsum(1)[:, :length] > 0  # by number of token, which is its place unless there are gaps
    number = (valid.cumsum(1) - 1).clamp(min=0)
    return (hidden.gather(1, number) & valid).to(token_mask.device)


def masked_reconstruction(predicted: Tensor, log_mel: Tensor, masked: Tensor) -> Tensor:
    """Mean squared error over hidden tokens: the self-supervised term, which keeps the acoustics in the encoder.

    Args:
        predicted: (n, length, n_mels).
        log_mel: (n, length, n_mels), the target, in the unit that is to be predicted.
        masked: (n, length) bool, True where the token was hidden from the encoder.

    Raises:
        ValueError: if no token is masked, or the shapes differ.

    Source: masked autoencoders, He et al. 2022 (arXiv 2111.06377), as in AcuLa's SSM term.
    """
    if predicted.shape != log_mel.shape:
        raise ValueError(f"prediction and target must have one shape, got {(*predicted.shape,)} and {(*log_mel.shape,)}")
    if not masked.any():
        raise ValueError("no token is masked, so there is nothing to reconstruct: draw the mask with draw_token_mask")
    return F.mse_loss(predicted[masked].float(), log_mel[masked].float())


@torch.no_grad()
def effective_rank(embeddings: Tensor) -> float:
    """How many directions embeddings vary in: 1 on a line, min(n - 1, d) if all alike. A report, not a loss.

    Centred, so it tells the shape of the cloud and not its size: rows that differ by faint noise only fill all
    directions. Rows equal within rounding count as 1.

    Args:
        embeddings: (n, d).

    Source: Roy & Vetterli 2007, The effective rank, EUSIPCO; of variances, where they take standard deviations.
    """
    embeddings = embeddings.double()
    centred = embeddings - embeddings.mean(0)
    variances = torch.linalg.svdvals(centred).square()
    if variances.sum() <= 1e-12 * embeddings.square().sum():  # float32 rounding, squared, is 1e-14
        return 1.0
    shares = variances / variances.sum()
    return math.exp(torch.special.entr(shares).sum().item())
