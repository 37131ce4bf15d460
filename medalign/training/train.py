"""Post-train a student against its teacher: one loop, read top to bottom.

The teacher is frozen and stays outside: its embeddings are computed once, before the loop. Whisper's encoder is frozen
too, so its frames are computed once and cached, and the paper's self-supervised term, whose job is to keep the acoustics,
has nothing to keep: what is trained is the head alone.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medalign.alignment import concept_loss, debiased_cka, info_nce
from medalign.student import AlignmentHead, StudentConfig, pad_stretches
from medalign.training.dataset import Pairs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainConfig:
    n_steps: int = 1000
    batch_size: int = 160  # pairs; part of the method: CKA and InfoNCE depend on it
    peak_lr: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0
    contrastive_weight: float = 1.0  # InfoNCE: gives each clip a score of its own
    cka_weight: float = 1.0  # debiased CKA: the paper's idea
    concept_weight: float = 0.5  # concept texts as extra targets
    validate_every: int = 200
    bf16: bool = True  # the head's matrix products in bfloat16, 3 times as fast on a CPU that has it; losses stay float32
    seed: int = 0


@dataclass(frozen=True)
class Targets:
    """The teacher's side of the pairs, computed once."""

    text: Tensor  # (n_pairs, d) unit length
    text_id: Tensor  # (n_pairs,) equal for equal texts
    concepts: Tensor  # (k, d) unit length
    mentioned: Tensor  # (n_pairs, k) bool


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine down to a hundredth of the peak; a pure function of the step."""
    if step < config.warmup_steps:
        return config.peak_lr * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.n_steps - config.warmup_steps)
    return config.peak_lr * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


def batches(durations_s: np.ndarray, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Endless batches of indices. Pairs of like length share a batch: less padding, and length is no giveaway.

    The last incomplete batch of an epoch is dropped, since the losses depend on the batch size.
    """
    epoch = 0
    while True:
        rng = np.random.default_rng([seed, epoch])
        # Jitter keeps neighbours in length from being the same pairs every epoch.
        order = np.argsort(durations_s * rng.uniform(0.8, 1.25, len(durations_s)))
        n_batches = len(order) // batch_size
        dropped = rng.choice(len(order), len(order) - n_batches * batch_size, replace=False)
        order = np.delete(order, dropped)
        for i in rng.permutation(n_batches):
            yield order[i * batch_size : (i + 1) * batch_size]
        epoch += 1


class Objective(nn.Module):
    """The alignment losses, with the temperatures they learn."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # CLIP's start
        self.concept_log_scale = nn.Parameter(torch.tensor(math.log(10.0)))  # SigLIP's start
        self.concept_bias = nn.Parameter(torch.tensor(-10.0))

    def forward(self, audio: Tensor, targets: Targets, batch: Tensor) -> dict[str, Tensor]:
        """Unweighted parts by name, for audio embeddings (n, d) of the pairs `batch` (n,)."""
        text, text_id = targets.text[batch], targets.text_id[batch]
        log_scale = self.log_scale.clamp(max=math.log(100))
        return {
            "contrastive": info_nce(audio, text, log_scale, text_id[:, None] == text_id[None, :]),
            "cka": 1 - debiased_cka(audio, text),
            "concept": concept_loss(
                audio, targets.concepts, targets.mentioned[batch], self.concept_log_scale, self.concept_bias
            ),
        }


def train(
    student_config: StudentConfig,
    config: TrainConfig,
    pairs: Pairs,
    targets: Targets,
    validate: Callable[[AlignmentHead], dict[str, float]],
    run: Path,
) -> AlignmentHead:
    """Train a head and return the one with the best validation score; `run`/log.jsonl tells the story.

    Args:
        validate: gives named figures, of which "score" decides; higher is better.

    Raises:
        FloatingPointError: the loss is no longer finite, with step and parts.
    """
    torch.manual_seed(config.seed)
    head, objective = AlignmentHead(student_config), Objective()
    parameters = [*head.parameters(), *objective.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=config.peak_lr, weight_decay=config.weight_decay)
    durations_s = np.array([pair.end_s - pair.start_s for pair in pairs.pairs])
    best_score, best_state, started = -math.inf, None, time.monotonic()
    run.mkdir(parents=True, exist_ok=True)
    with open(run / "log.jsonl", "w") as log_file:
        source = batches(durations_s, config.batch_size, config.seed)
        for step, indices in zip(range(config.n_steps), source, strict=False):
            head.train()
            lr = learning_rate(step, config)
            for group in optimizer.param_groups:
                group["lr"] = lr

            with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
                audio = head(*pad_stretches([pairs.stretch(i) for i in indices]))
            parts = objective(audio.float(), targets, torch.from_numpy(indices))
            loss = (
                config.contrastive_weight * parts["contrastive"]
                + config.cka_weight * parts["cka"]
                + config.concept_weight * parts["concept"]
            )
            if not loss.isfinite():
                raise FloatingPointError(f"step {step}: loss is {loss.item()}; parts {parts}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            grad_norm = nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
            optimizer.step()

            entry = {"step": step, "loss": loss.item(), "lr": lr, "grad_norm": grad_norm.item()}
            entry |= {name: part.item() for name, part in parts.items()}
            if (step + 1) % config.validate_every == 0 or step + 1 == config.n_steps:
                entry |= validate(head.eval())
                if entry["score"] > best_score:
                    best_score = entry["score"]
                    best_state = {name: tensor.clone() for name, tensor in head.state_dict().items()}
                log.info("%s", {k: round(v, 4) for k, v in entry.items()})
            elif step % 20 == 0:
                pace_s = (time.monotonic() - started) / (step + 1)
                left_min = pace_s * (config.n_steps - step) / 60
                log.info("step %d loss %.3f, %.2f s a step, %.0f min left", step, entry["loss"], pace_s, left_min)
            log_file.write(json.dumps(entry) + "\n")
            log_file.flush()
    head.load_state_dict(best_state)
    (run / "train_config.json").write_text(json.dumps(asdict(config), indent=2) + "\n")
    return head.eval()
