"""The objective: which losses of `alignment` count how much, and what they are computed from.

The teacher's side is computed once, before the loop: the teacher is frozen and never part of a trained module. Parts are
reported unweighted by name; `loss` is the number that is back-propagated. A part of weight 0 is not computed.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor, nn

from medalign.core.errors import DataError
from medalign.training import losses as alignment

LATE_ROWS = 64  # about so many pairs of a batch are compared word by word: its cost grows with their square


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts; the arms of the ablation differ in these numbers alone."""

    contrastive: float = 1.0  # InfoNCE with what was said: gives each clip a score of its own
    cka: float = 1.0  # debiased CKA: the paper's idea
    concept: float = 0.5  # SigLIP with the texts of concepts
    note: float = 0.0  # InfoNCE with the sentence of the note that the clip supports
    late_interaction: float = 0.0  # InfoNCE over word-by-word scores
    reconstruction: float = 0.0  # log-mel of tokens hidden from the head: self-supervision
    keep_close: float = 0.0  # to the encoder's original frames; only where the encoder is trained
    siglip: float = 0.0  # in place of InfoNCE
    cosine: float = 0.0  # plain regression onto the text's embedding
    published: float = 0.0  # the published code's loss, blind to the pairing; for comparison only

    def __post_init__(self) -> None:
        weights = asdict(self)
        if wrong := [name for name, weight in weights.items() if not 0 <= weight < math.inf]:
            raise DataError(f"weight of {wrong[0]} is {weights[wrong[0]]}; expected 0 or more")
        if not any(weights[name] for name in weights if name not in ("reconstruction", "keep_close")):
            raise DataError("no loss ties audio to text; give contrastive, cka or another one a weight")

    @classmethod
    def only(cls, **weights: float) -> "LossWeights":
        """These weights and nothing else."""
        return cls(**{field.name: 0.0 for field in fields(cls)} | weights)


@dataclass(frozen=True)
class Targets:
    """The teacher's side of the pairs, by row; unit length."""

    text: Tensor  # (n_pairs, d)
    text_id: Tensor  # (n_pairs,) equal for equal texts
    concepts: Tensor  # (k, d)
    mentioned: Tensor  # (n_pairs, k) bool
    note: Tensor | None = None  # (n_notes, d) the distinct sentences
    note_id: Tensor | None = None  # (n_pairs,) row of `note`, -1 where the pair supports none
    words: Sequence[np.ndarray] = ()  # per text_id, (n_tokens, d) float16: the teacher's tokens

    def to(self, device: torch.device) -> "Targets":
        moved = {f.name: v.to(device) for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}
        return replace(self, **moved)


@dataclass(frozen=True)
class Heard:
    """The student's side of a batch."""

    embedding: Tensor  # (n, d) unit length
    tokens: Tensor | None = None  # (n, length, d) unit length, for late interaction
    token_mask: Tensor | None = None  # (n, length) bool
    predicted_mel: Tensor | None = None  # (n, length, n_mels)
    log_mel: Tensor | None = None  # (n, length, n_mels)
    hidden_tokens: Tensor | None = None  # (n, length) bool: what had to be reconstructed
    distance: Tensor | None = None  # (n,) of the trained encoder's frames from the original ones

    def rows(self) -> dict[str, Tensor]:
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
        if w.contrastive or w.note or w.late_interaction or w.siglip:
            used.append(self.log_scale)
        if w.siglip:
            used.append(self.pair_bias)
        if w.concept:
            used += [self.concept_log_scale, self.concept_bias]
        return used

    def forward(self, heard: Heard, targets: Targets, batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to back-propagate and its unweighted parts, for the pairs `batch` (n,) of `targets`."""
        w, audio = self.weights, heard.embedding.float()
        text, text_id = targets.text[batch], targets.text_id[batch]
        same_text = text_id[:, None] == text_id[None, :]
        log_scale = self.log_scale.clamp(max=math.log(100))  # CLIP's cap
        parts: dict[str, Tensor] = {}
        if w.contrastive:
            parts["contrastive"] = alignment.info_nce(audio, text, log_scale, same_text)
        if w.siglip:
            parts["siglip"] = alignment.siglip(audio, text, log_scale, self.pair_bias, same_text)
        if w.cka:
            parts["cka"] = 1 - alignment.debiased_cka(audio, text)
        if w.cosine:
            parts["cosine"] = alignment.cosine_distance(audio, text)
        if w.published:
            parts["published"] = alignment.published_loss(audio, text)
        if w.concept:
            parts["concept"] = alignment.concept_loss(
                audio, targets.concepts, targets.mentioned[batch], self.concept_log_scale, self.concept_bias
            )
        if w.note:
            parts["note"] = _note_loss(audio, targets, batch, log_scale)
        if w.late_interaction:
            rows = slice(None, None, max(1, len(batch) // LATE_ROWS))
            words, word_mask = _padded_words(targets, batch[rows])
            parts["late_interaction"] = alignment.late_interaction_loss(
                heard.tokens[rows].float(), words, heard.token_mask[rows], word_mask, log_scale, same_text[rows, rows]
            )
        if w.reconstruction:
            parts["reconstruction"] = alignment.masked_reconstruction(
                heard.predicted_mel.float(), heard.log_mel, heard.hidden_tokens
            )
        if w.keep_close:
            parts["keep_close"] = heard.distance.mean()
        loss = sum(getattr(w, name) * part for name, part in parts.items())
        return loss, parts


def _note_loss(audio: Tensor, targets: Targets, batch: Tensor, log_scale: Tensor) -> Tensor:
    """InfoNCE between the clips that support a sentence and those sentences; 0 if fewer than two clips do."""
    note_id = targets.note_id[batch]
    supporting = note_id >= 0
    if supporting.sum() < 2:
        return audio.sum() * 0
    ids = note_id[supporting]
    return alignment.info_nce(audio[supporting], targets.note[ids], log_scale, ids[:, None] == ids[None, :])


def _padded_words(targets: Targets, batch: Tensor) -> tuple[Tensor, Tensor]:
    """The teacher's tokens of the texts in a batch, (n, n_tokens, d), and their mask (n, n_tokens)."""
    words = [torch.from_numpy(targets.words[i]).float() for i in targets.text_id[batch].tolist()]
    padded = nn.utils.rnn.pad_sequence(words, batch_first=True)
    lengths = torch.tensor([len(w) for w in words])
    return padded.to(batch.device), (torch.arange(padded.shape[1]) < lengths[:, None]).to(batch.device)
