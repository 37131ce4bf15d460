"""The alignment objective: pure functions of two sets of embeddings, no model in here.

Conventions: row i of `audio` (n, d_audio) belongs to row i of `text` (n, d_text). Everything is computed in float32.
CKA compares representations as a whole and needs no shared space; InfoNCE and the concept term give each clip a score
of its own and do. CKA depends on the batch and does not add up over micro-batches, so nothing here may be accumulated.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


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
        A scalar, differentiable in both; NaN if all rows of one side are equal.

    Source: Kornblith et al. 2019 (arXiv 1905.00414) with HSIC of Song et al. 2012.
    """
    audio, text = audio.float(), text.float()
    k, m = audio @ audio.T, text @ text.T
    return debiased_hsic(k, m) / (debiased_hsic(k, k) * debiased_hsic(m, m)).sqrt()


def info_nce(audio: Tensor, text: Tensor, log_scale: Tensor, same_text: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE over unit vectors; a pair with an equal text is no negative.

    Equal texts are left out of each other's denominators. Averaging over them as further positives, the usual remedy,
    changes nothing: with equal text embeddings both forms give the same value, log 2 too much for each twin.

    Args:
        audio: (n, d), unit length.
        text: (n, d), unit length.
        log_scale: log of the inverse temperature, a scalar.
        same_text: (n, n) bool, True where texts i and j are equal; the identity if None.

    Source: van den Oord et al. 2018 (arXiv 1807.03748); symmetric as in CLIP (arXiv 2103.00020).
    """
    logits = log_scale.exp() * audio @ text.T
    own = torch.arange(len(audio), device=audio.device)
    if same_text is not None:
        twin = same_text & ~torch.eye(len(audio), dtype=torch.bool, device=audio.device)
        logits = logits.masked_fill(twin, -torch.inf)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


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
