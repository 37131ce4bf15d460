"""The objective: which losses of `losses` count how much, and what they are computed from.

The teacher's side is computed once, before the loop: the teacher is frozen and never part of a trained module. Parts are
reported unweighted by name; `loss` is the number that is back-propagated. A part of weight 0 is not computed.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from medalign.training import losses
from medalign.training.recipe import LossWeights


@dataclass(frozen=True)
class Targets:
    """The teacher's side of the pairs, by row; unit length."""

    text: Tensor  # (n_pairs, d)
    text_id: Tensor  # (n_pairs,) equal for equal texts
    concepts: Tensor  # (k, d)
    mentioned: Tensor  # (n_pairs, k) bool

    def to(self, device: torch.device) -> "Targets":
        return Targets(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class StudentOutputs:
    """The student's side of a batch."""

    embedding: Tensor  # (n, d) unit length
    predicted_mel: Tensor | None = None  # (n, length, n_mels)
    log_mel: Tensor | None = None  # (n, length, n_mels)
    hidden_tokens: Tensor | None = None  # (n, length) bool: what had to be reconstructed

    def rows(self) -> dict[str, Tensor]:
        """As a plain dict, since DDP reduces no gradient of what it can't look into."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}


class Objective(nn.Module):
    """The losses, with the temperatures and biases that they learn."""

    def __init__(self, weights: LossWeights) -> None:
        super().__init__()
        self.weights = weights
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # CLIP's start
        self.pair_bias = nn.Parameter(torch.tensor(-10.0))  # SigLIP's start
        self.concept_log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.concept_bias = nn.Parameter(torch.tensor(-10.0))

    def used_parameters(self) -> list[nn.Parameter]:
        """What gets a gradient under these weights; the rest must not enter an optimiser."""
        w, used = self.weights, []
        if w.contrastive or w.siglip:
            used.append(self.log_scale)
        if w.siglip:
            used.append(self.pair_bias)
        if w.concept:
            used += [self.concept_log_scale, self.concept_bias]
        return used

    def forward(self, outputs: StudentOutputs, targets: Targets, batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to back-propagate and its unweighted parts, for the pairs `batch` (n,) of `targets`."""
        w, audio = self.weights, outputs.embedding.float()
        text, text_id = targets.text[batch], targets.text_id[batch]
        same_text = text_id[:, None] == text_id[None, :]
        log_scale = self.log_scale.clamp(max=math.log(100))  # CLIP's cap
        parts: dict[str, Tensor] = {}
        if w.contrastive:
            parts["contrastive"] = losses.info_nce(audio, text, log_scale, same_text)
        if w.siglip:
            parts["siglip"] = losses.siglip(audio, text, log_scale, self.pair_bias, same_text)
        if w.cka:
            parts["cka"] = 1 - losses.debiased_cka(audio, text)
        if w.published:
            parts["published"] = losses.published_loss(audio, text)
        if w.concept:
            mentioned = targets.mentioned[batch]
            parts["concept"] = losses.concept_loss(
                audio, targets.concepts, mentioned, self.concept_log_scale, self.concept_bias
            )
        if w.reconstruction:
            predicted, log_mel, hidden = outputs.predicted_mel, outputs.log_mel, outputs.hidden_tokens
            assert predicted is not None and log_mel is not None and hidden is not None  # the trainee has the same weights
            parts["reconstruction"] = losses.masked_reconstruction(predicted.float(), log_mel, hidden)
        loss = torch.stack([getattr(w, name) * part for name, part in parts.items()]).sum()
        return loss, parts
