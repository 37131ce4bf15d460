"""Post-train a student against its teacher: one loop, read top to bottom.

The teacher is frozen and stays outside: its embeddings are computed once, before the loop. Where the encoder is frozen,
too, its frames come from a cache and the head alone is trained; where it has an adapter, the encoder runs in every step.

A run is its folder: `log.jsonl` has one line a step, `state.pt` all that a resumed run needs to go on as if nothing had
happened. Everything random is a function of the seed and the step, or is kept in the state.
"""

import copy
import io
import json
import logging
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from medalign.core.errors import DataError, TrainingError
from medalign.models.head import STACK, padded_length
from medalign.models.student import Student
from medalign.training.checkpoint import Run
from medalign.training.data.batches import ChunkBatches, LengthBatches
from medalign.training.data.live import LiveChunks, stretches_of_chunks
from medalign.training.data.pairs import N_MELS, Pairs
from medalign.training.distributed import gather_rows
from medalign.training.large_batch import backward_in_chunks
from medalign.training.losses import draw_token_mask, keep_close
from medalign.training.objective import Heard, LossWeights, Objective, Targets

log = logging.getLogger(__name__)

HIDDEN_SHARE, HIDDEN_SPAN = 0.3, 4  # tokens hidden for reconstruction: a third of a second at a time
SCALE_LR = 10.0  # times the head's: in a short run, temperatures and biases would otherwise hardly leave their start


@dataclass(frozen=True)
class TrainConfig:
    n_steps: int = 1000
    batch_size: int = 160  # pairs over all processes; part of the method: CKA and InfoNCE depend on it
    chunk_size: int | None = None  # pairs that memory holds at once; the batch is re-encoded in such chunks
    peak_lr: float = 1e-3
    encoder_lr: float = 1e-4  # of the encoder's adapter, where there is one
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0
    loss: LossWeights = field(default_factory=LossWeights)
    validate_every: int = 200
    min_rank: float = 2.0  # effective rank of the validation embeddings below which a student has collapsed onto a line
    save_every: int = 1  # steps between states, so what a kill costs; more where a step is quicker than writing one
    bf16: bool = False  # matrix products in bfloat16; losses stay float32. For GPUs: some CPUs gain, others lose by it
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.batch_size < 4:
            raise DataError(
                f"{self.n_steps} steps of batch {self.batch_size}: at least 1 step is needed, and 4 pairs, "
                "the fewest that debiased CKA is defined for; raise --steps or --batch-size"
            )
        if self.chunk_size is not None and self.chunk_size < 1:
            raise DataError(f"--chunk-size {self.chunk_size}: at least 1 pair is needed")

    @property
    def warmup_steps(self) -> int:
        return min(100, self.n_steps // 10)


def learning_rate(step: int, config: TrainConfig, peak_lr: float) -> float:
    """Linear warm-up, then a cosine down to a hundredth of the peak; a pure function of the step."""
    if step < config.warmup_steps:
        return peak_lr * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.n_steps - config.warmup_steps)
    return peak_lr * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


@dataclass(frozen=True)
class Batch:
    """What a forward pass needs; every tensor has one row per pair."""

    hidden_states: Tensor | None  # (n, n_frames, d) cached frames; None if the encoder runs
    mask: Tensor  # (n, n_frames) bool
    log_mel: Tensor | None  # (n, length, N_MELS)
    hidden_tokens: Tensor | None  # (n, length) bool: hidden from the head, to be reconstructed
    live: LiveChunks | None = None  # audio for the encoder; None if frames are cached


class Trainee(nn.Module):
    """What is trained: the head, the encoder's adapter if it has one, and a predictor that the student won't keep."""

    def __init__(self, student: Student, weights: LossWeights):
        super().__init__()
        self.head, self.weights = student.head, weights
        self.encoder = student.encoder if student.config.adapter.kind != "frozen" else None
        keeps_close = self.encoder is not None and weights.keep_close
        # A copy, not cached frames: those were cut from other chunks, and Whisper hears a frame by its place in a chunk.
        self.original = copy.deepcopy(self.encoder).requires_grad_(False) if keeps_close else None
        self.predict_mel = nn.Linear(student.config.head.model_dim, N_MELS)
        # Parameters that this objective gives no gradient stay out of the optimiser and of the gradient exchange.
        self.head.project_token.requires_grad_(bool(weights.late_interaction))
        self.head.mask_token.requires_grad_(bool(weights.reconstruction))
        self.predict_mel.requires_grad_(bool(weights.reconstruction))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The rows of a `Heard`; as a plain dict, since DDP reduces no gradient of what it can't look into."""
        w, distance = self.weights, None
        hidden_states = batch.hidden_states
        if self.encoder is not None:
            hidden_states = stretches_of_chunks(self.encoder(batch.live.features), batch.live, batch.mask.shape[1])
            if self.original is not None:
                with torch.no_grad():
                    before = stretches_of_chunks(self.original(batch.live.features), batch.live, batch.mask.shape[1])
                distance = keep_close(hidden_states, before, batch.mask)
        tokens, token_mask = self.head.tokens(hidden_states, batch.mask)
        predicted = None
        if w.reconstruction:
            predicted = self.predict_mel(self.head.tokens(hidden_states, batch.mask, batch.hidden_tokens)[0]).float()
        return Heard(
            embedding=self.head.pool(tokens, token_mask).float(),
            tokens=self.head.word_tokens(tokens).float() if w.late_interaction else None,
            token_mask=token_mask if w.late_interaction else None,
            predicted_mel=predicted,
            log_mel=batch.log_mel if w.reconstruction else None,
            hidden_tokens=batch.hidden_tokens,
            distance=distance,
        ).rows()


def train(
    student: Student,
    config: TrainConfig,
    pairs: Pairs,
    targets: Targets,
    validate: Callable[[Student], dict[str, float]],
    run: Run,
    *,
    accelerator: Accelerator | None = None,
) -> None:
    """Train the student in place and leave it with its best weights; go on where a stopped run ended.

    Args:
        validate: gives named figures, of which "score" decides, higher is better, and "effective_rank" tells a collapse.

    Raises:
        TrainingError: too few pairs for a batch, a loss that isn't finite, collapsed embeddings, or a state that doesn't
            fit the student.
        KeyboardInterrupt: after SIGINT or SIGTERM, once the step is finished and the state saved.
    """
    accelerator = accelerator or make_accelerator(config)
    torch.manual_seed(config.seed)
    trainee, objective = Trainee(student, config.loss), Objective(config.loss).to(accelerator.device)
    encoder_parameters = [p for p in trainee.encoder.parameters() if p.requires_grad] if trainee.encoder else []
    known = {id(p) for p in encoder_parameters}
    head_parameters = [p for p in trainee.parameters() if p.requires_grad and id(p) not in known]
    scales = objective.used_parameters()
    parameters = [*head_parameters, *scales, *encoder_parameters]
    groups = [
        {"params": head_parameters, "peak_lr": config.peak_lr},
        {"params": scales, "peak_lr": SCALE_LR * config.peak_lr, "weight_decay": 0.0},
        {"params": encoder_parameters, "peak_lr": config.encoder_lr},
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=config.peak_lr, weight_decay=config.weight_decay)
    model, optimizer = accelerator.prepare(trainee, optimizer)
    loader = BatchLoader(student, config, pairs, accelerator)
    first_step = run.resume(trainee, objective, optimizer)
    accelerator.wait_for_everyone()  # before the main process writes what the others read
    if accelerator.is_main_process and first_step < config.n_steps:
        run.begin(first_step)
        run.save(first_step)
    log_file = run.open_log(first_step) if accelerator.is_main_process else io.StringIO()
    stop = StopRequest()
    with log_file, stop, tqdm(total=config.n_steps, initial=first_step, disable=not accelerator.is_main_process) as bar:
        for step in range(first_step, config.n_steps):
            model.train()
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, config, group["peak_lr"])
            indices = loader.indices(step)

            def loss_of(heard: dict[str, Tensor], indices=indices) -> tuple[Tensor, dict[str, Tensor]]:
                gathered = Heard(**{name: gather_rows(rows, accelerator) for name, rows in heard.items()})
                return objective(gathered, targets, torch.from_numpy(indices).to(accelerator.device))

            optimizer.zero_grad(set_to_none=True)
            if config.chunk_size is None:
                batch = loader.batch(step)  # outside autocast: its log-mel is computed in float32
                with accelerator.autocast():
                    heard = model(batch)
                loss, parts = loss_of(heard)
                _check_finite(step, loss, parts)
                accelerator.backward(loss)
            else:
                loss, parts = _backward_in_chunks(model, loader, step, config, accelerator, loss_of)
                _check_finite(step, loss, parts)
            grad_norm = accelerator.clip_grad_norm_(parameters, config.max_grad_norm)
            optimizer.step()

            entry = {"step": step, "loss": loss.item(), "lr": learning_rate(step, config, config.peak_lr)}
            entry |= {"grad_norm": float(grad_norm)} | {name: part.item() for name, part in parts.items()}
            if (step + 1) % config.validate_every == 0 or step + 1 == config.n_steps:
                trainee.eval()
                entry |= (figures := validate(student))
                _check_rank(step, figures, config.min_rank)
                run.keep_if_best(figures["score"])
                log.info("%s", {name: round(value, 4) for name, value in entry.items()})
            log_file.write(json.dumps(entry) + "\n")
            bar.set_postfix(loss=f"{entry['loss']:.3f}", refresh=False)
            bar.update()
            if (step + 1) % config.save_every == 0 or step + 1 == config.n_steps or stop.asked:
                log_file.flush()
                if accelerator.is_main_process:
                    run.save(step + 1)
            if stop.asked and step + 1 < config.n_steps:
                raise KeyboardInterrupt
    run.load_best()
    trainee.eval()


def make_accelerator(config: TrainConfig, device: str = "auto") -> Accelerator:
    """One process or several, as `accelerate launch` has set them up; the losses see all rows either way."""
    return Accelerator(cpu=device == "cpu", mixed_precision="bf16" if config.bf16 else "no")


class BatchLoader:
    """Pairs to tensors: this process's share of each batch, on its device, padded alike on all processes."""

    def __init__(self, student: Student, config: TrainConfig, pairs: Pairs, accelerator: Accelerator):
        self.config, self.pairs, self.accelerator, self.student = config, pairs, accelerator, student
        self.live = student.config.adapter.kind != "frozen"
        if config.batch_size % accelerator.num_processes:
            raise TrainingError(f"a batch of {config.batch_size} can't be shared by {accelerator.num_processes} processes")
        if self.live:
            self.sampler = ChunkBatches.of(pairs.pairs, student.encoder.chunk_s, config.batch_size, config.seed)
        else:
            self.sampler = LengthBatches(pairs.durations_s, config.batch_size, config.seed)

    def indices(self, step: int) -> np.ndarray:
        """Of the whole batch, in the order in which gathered rows arrive."""
        return self.sampler.at(step)

    def batch(self, step: int, part: slice = slice(None)) -> Batch:
        """This process's rows of the batch, or a part of them."""
        indices, config = self.indices(step), self.config
        share = len(indices) // self.accelerator.num_processes
        rank = self.accelerator.process_index
        # Length and mask are those of the whole batch, so that they don't depend on how it is shared out.
        hidden_states, mask = (None, self._mask(indices)) if self.live else self.pairs.batch(indices)
        token_mask = mask.view(len(mask), -1, STACK).any(2)
        log_mel = hidden_tokens = None
        if config.loss.reconstruction:
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
            hidden_tokens = draw_token_mask(token_mask, HIDDEN_SHARE, HIDDEN_SPAN, generator)
            log_mel = torch.zeros(*token_mask.shape, N_MELS)
            for row, i in enumerate(indices):
                heard = self.pairs.log_mel_of(i)[: token_mask.shape[1]]
                log_mel[row, : len(heard)] = heard

        mine = slice(rank * share, (rank + 1) * share)

        def own(rows: Tensor | None) -> Tensor | None:
            return None if rows is None else rows[mine][part].to(self.accelerator.device)

        live = LiveChunks.of(indices[mine][part], self.pairs, self.student) if self.live else None
        return Batch(own(hidden_states), own(mask), own(log_mel), own(hidden_tokens), live)

    def _mask(self, indices: np.ndarray) -> Tensor:
        lengths = [len(self.pairs.stretch_range(i)) for i in indices]
        return torch.arange(padded_length(max(lengths))) < torch.tensor(lengths)[:, None]


def _backward_in_chunks(
    model: nn.Module, loader: BatchLoader, step: int, config: TrainConfig, accelerator: Accelerator, loss_of: Callable
) -> tuple[Tensor, dict[str, Tensor]]:
    """The gradient of the whole batch with the memory of a chunk: debiased CKA does not add up over micro-batches."""
    share = config.batch_size // accelerator.num_processes
    chunks = [slice(i, min(i + config.chunk_size, share)) for i in range(0, share, config.chunk_size)]
    names: list[str] = []

    def forward(part: slice) -> tuple[Tensor, ...]:
        batch = loader.batch(step, part)  # outside autocast: its log-mel is computed in float32
        with accelerator.autocast():
            rows = model(batch)
        names[:] = rows
        return tuple(rows.values())

    return backward_in_chunks(
        forward, chunks, lambda *rows: loss_of(dict(zip(names, rows, strict=True))), lambda: accelerator.no_sync(model)
    )


def _check_finite(step: int, loss: Tensor, parts: dict[str, Tensor]) -> None:
    if not loss.isfinite():
        told = ", ".join(f"{name} {part.item():.4g}" for name, part in parts.items())
        raise TrainingError(f"step {step}: the loss is {loss.item()} ({told}); lower --lr, or give --no-bf16")


def _check_rank(step: int, figures: dict[str, float], least: float) -> None:
    if (rank := figures.get("effective_rank", math.inf)) < least:
        raise TrainingError(
            f"step {step}: the embeddings have collapsed, their effective rank is {rank:.1f} "
            f"(at least {least:g} is expected); give contrastive or cka more weight, or lower --lr"
        )


class StopRequest:
    """SIGINT and SIGTERM end a run after its step, with its state saved."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "StopRequest":
        try:
            self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # signals reach the main thread only
            self._before = {}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, *_: object) -> None:
        self.asked = True
