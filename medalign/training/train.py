"""Post-train a student against its teacher: one loop, read top to bottom.

The teacher is frozen and stays outside: its embeddings are computed once, before the loop. Where the encoder is frozen,
too, its frames come from a cache and the head alone is trained; where it has an adapter, the encoder runs in every step.

A run is its folder: `log.jsonl` has one line a step, `state.pt` all that a resumed run needs to go on as if nothing had
happened. Everything random is a function of the seed and the step, or is kept in the state.
"""

import io
import json
import logging
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from medalign.core.errors import TrainingError
from medalign.models.head import AlignmentHead
from medalign.models.kernel_head import KernelHead
from medalign.models.student import Student
from medalign.training.checkpoint import Run
from medalign.training.data.batches import Batch, BatchLoader, LiveChunks, stretches_of_chunks
from medalign.training.data.pairs import N_MELS, Pairs
from medalign.training.large_batch import backward_in_chunks, gather_rows
from medalign.training.objective import LossWeights, Objective, StudentOutputs, Targets
from medalign.training.recipe import AdaptTraining, TrainConfig

log = logging.getLogger(__name__)

RANK_SHARE = 0.5  # of the teacher's own effective rank: two classes learnt perfectly lie on a line, as their two texts do
MIN_SPREAD = 1e-5  # mean squared distance of embeddings from their mean; a line that is a point has collapsed
SCALE_LR = 10.0  # times the head's: in a short run, temperatures and biases would otherwise hardly leave their start


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
        validate: gives named figures, of which "score" decides, higher is better, and "effective_rank", "teacher_rank" and
            "spread" tell a collapse.

    Raises:
        DataError: a batch whose texts are all equal, but for one at most.
        TrainingError: too few pairs for a batch, a loss that isn't finite, collapsed embeddings, a state that doesn't fit.
        KeyboardInterrupt: after SIGINT or SIGTERM, once the step is finished and the state saved.
    """
    trainer = Trainer(student, config, pairs, targets, accelerator or make_accelerator(config))
    trainer.loader.check_texts(targets.text_id.numpy(force=True))
    first_step = run.resume(trainer.trainee, trainer.objective, trainer.optimizer)
    trainer.accelerator.wait_for_everyone()  # before the main process writes what the others read
    if (is_main := trainer.accelerator.is_main_process) and first_step < config.n_steps:
        run.begin(first_step)
        run.save(first_step)
    log_file = run.open_log(first_step) if is_main else io.StringIO()
    with log_file, stop_request() as stop, tqdm(total=config.n_steps, initial=first_step, disable=not is_main) as bar:
        for step in range(first_step, config.n_steps):
            entry, is_last = trainer.step(step), step + 1 == config.n_steps
            if (step + 1) % config.validate_every == 0 or is_last:
                trainer.trainee.eval()
                entry |= (figures := validate(student))
                _check_rank(step, figures, config.min_rank)
                run.keep_if_best(figures["score"])
                log.info("%s", {name: round(value, 4) for name, value in entry.items()})
            log_file.write(json.dumps(entry) + "\n")
            bar.set_postfix(loss=f"{entry['loss']:.3f}", refresh=False)
            bar.update()
            if (step + 1) % config.save_every == 0 or is_last or stop.is_set():
                log_file.flush()
                if is_main:
                    run.save(step + 1)
            if stop.is_set() and not is_last:
                raise KeyboardInterrupt
    run.load_best()
    trainer.trainee.eval()


def make_accelerator(config: TrainConfig, device: str = "auto") -> Accelerator:
    """One process or several, as `accelerate launch` has set them up; the losses see all rows either way."""
    return Accelerator(cpu=device == "cpu", mixed_precision="bf16" if config.bf16 else "no")


def learning_rate(step: int, config: TrainConfig | AdaptTraining, peak_lr: float) -> float:
    """Linear warm-up, then a cosine down to a hundredth of the peak; a pure function of the step."""
    if step < config.warmup_steps:
        return peak_lr * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.n_steps - config.warmup_steps)
    return peak_lr * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


class Trainee(nn.Module):
    """What is trained: the head, the encoder's adapter if it has one, and a predictor that the student won't keep."""

    def __init__(self, student: Student, weights: LossWeights):
        super().__init__()
        assert isinstance(student.head, AlignmentHead | KernelHead)  # an ensemble is finished
        self.head: AlignmentHead | KernelHead = student.head
        self.reconstructs = weights.reconstruction > 0
        self.encoder = student.encoder if student.config.adapter.kind != "frozen" else None
        self.predict_mel = nn.Linear(student.config.head.model_dim, N_MELS)
        # Parameters that this objective gives no gradient stay out of the optimiser and of the gradient exchange.
        if isinstance(self.head, AlignmentHead):
            self.head.mask_token.requires_grad_(self.reconstructs)
        self.predict_mel.requires_grad_(self.reconstructs)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The rows of a `StudentOutputs`."""
        if isinstance(batch.audio, LiveChunks):
            assert self.encoder is not None
            n_frames = batch.mask.shape[1]
            hidden_states = stretches_of_chunks(self.encoder(batch.audio.features), batch.audio, n_frames)
        else:
            hidden_states = batch.audio
        embedding = self.head(hidden_states, batch.mask).float()
        if not self.reconstructs:
            return StudentOutputs(embedding).rows()
        assert isinstance(self.head, AlignmentHead)  # `align` refuses the others
        if isinstance(batch.audio, LiveChunks) and self.encoder is not None and batch.hidden_tokens is not None:
            # What an encoder can leave out of what it hears is hidden there: else it would tell the neighbours of it.
            features = self.encoder.hide(batch.audio.features, batch.audio.hidden_frames(batch.hidden_tokens))
            if features is not batch.audio.features:
                hidden_states = stretches_of_chunks(self.encoder(features), batch.audio, n_frames)
        predicted = self.predict_mel(self.head.tokens(hidden_states, batch.mask, batch.hidden_tokens)[0]).float()
        return StudentOutputs(embedding, predicted, batch.log_mel, batch.hidden_tokens).rows()


class Trainer:
    """Trainee, objective, optimiser and batches, and what one step does with them."""

    def __init__(self, student: Student, config: TrainConfig, pairs: Pairs, targets: Targets, accelerator: Accelerator):
        self.config, self.targets, self.accelerator = config, targets, accelerator
        self.loader = BatchLoader(student, config, pairs, accelerator)
        torch.manual_seed(config.seed)
        self.trainee = Trainee(student, config.loss)
        self.objective = Objective(config.loss).to(accelerator.device)
        of_encoder = [p for p in self.trainee.encoder.parameters() if p.requires_grad] if self.trainee.encoder else []
        known = {id(p) for p in of_encoder}
        of_head = [p for p in self.trainee.parameters() if p.requires_grad and id(p) not in known]
        scales = self.objective.used_parameters()
        self.parameters = [*of_head, *scales, *of_encoder]
        groups = [
            {"params": of_head, "peak_lr": config.peak_lr},
            {"params": scales, "peak_lr": SCALE_LR * config.peak_lr, "weight_decay": 0.0},
            {"params": of_encoder, "peak_lr": config.encoder_lr},
        ]
        optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=config.peak_lr, weight_decay=config.weight_decay
        )
        self.model, self.optimizer = accelerator.prepare(self.trainee, optimizer)

    def step(self, step: int) -> dict[str, float]:
        """Take one optimiser step; its line of the log.

        Raises:
            TrainingError: the loss isn't finite.
        """
        config = self.config
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, config, group["peak_lr"])
        self.optimizer.zero_grad(set_to_none=True)
        loss, parts = self._backward(step)
        if not loss.isfinite():
            listed = ", ".join(f"{name} {part.item():.4g}" for name, part in parts.items())
            raise TrainingError(f"step {step}: the loss is {loss.item()} ({listed}); {_remedy(parts)}")
        grad_norm = self.accelerator.clip_grad_norm_(self.parameters, config.max_grad_norm)
        self.optimizer.step()
        entry = {"step": step, "loss": loss.item(), "lr": learning_rate(step, config, config.peak_lr)}
        return entry | {"grad_norm": float(grad_norm)} | {name: part.item() for name, part in parts.items()}

    def _backward(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The whole batch's loss and its parts, back-propagated at once or in the memory of a chunk."""
        batch = torch.from_numpy(self.loader.indices(step)).to(self.accelerator.device)

        def loss_of(rows: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
            gathered = {name: gather_rows(values, self.accelerator) for name, values in rows.items()}
            return self.objective(StudentOutputs(**gathered), self.targets, batch)

        def forward(part: slice) -> dict[str, Tensor]:
            inputs = self.loader.batch(step, part)  # outside autocast: its log-mel is computed in float32
            with self.accelerator.autocast():
                return self.model(inputs)

        size = self.config.chunk_size
        if size is None:
            loss, parts = loss_of(forward(slice(None)))
            self.accelerator.backward(loss)
            return loss, parts
        share = self.config.batch_size // self.accelerator.num_processes
        chunks = [slice(i, min(i + size, share)) for i in range(0, share, size)]
        return backward_in_chunks(forward, chunks, loss_of, lambda: self.accelerator.no_sync(self.model))


def _remedy(parts: dict[str, Tensor]) -> str:
    """What helps against a loss that is not finite."""
    if [name for name, part in parts.items() if not part.isfinite()] == ["cka"]:
        # An unbiased estimate of a variance near 0 may be negative, and then there is no root of it.
        return "its clips or its texts are too few, or too alike, to be compared: give a larger --batch-size, or cka no weight"
    return "lower --lr, or give --no-bf16"


def _check_rank(step: int, figures: dict[str, float], least: float) -> None:
    rank, spread = figures.get("effective_rank", math.inf), figures.get("spread", math.inf)
    expected = min(least, RANK_SHARE * figures.get("teacher_rank", math.inf))
    if rank < expected or (rank < least and spread < MIN_SPREAD):  # of a point, the rank is that of its rounding
        raise TrainingError(
            f"step {step}: the embeddings have collapsed, their effective rank is {rank:.1f} "
            f"(at least {expected:.2g} is expected, and a spread of {MIN_SPREAD:g}); give contrastive or cka more weight, "
            "or lower --lr"
        )


@contextmanager
def stop_request() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM, which so end a run after its step, with its state saved."""
    asked = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
