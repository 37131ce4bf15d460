"""sentence-transformers' own trainer on pairs, in a run that can be resumed.

The loss tells the note of what was said from the other notes of the batch, and from one that looks like it
(`MultipleNegativesRankingLoss`, InfoNCE, both ways). What a batch holds and what dropout leaves out depend on the seed and the
step alone, so a resumed run comes out as an uninterrupted one.
"""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import islice
from threading import Event
from typing import IO, Any

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.losses.merged_forward import column_merging_disabled
from sentence_transformers.sentence_transformer import losses
from torch import nn
from tqdm import tqdm
from transformers import PrinterCallback, TrainerCallback

from medalign.core.errors import TrainingError
from medalign.training.adaptation.pairs import TextPair, plan_batches
from medalign.training.checkpoint import Run
from medalign.training.recipe import AdaptRecipe, AdaptTraining
from medalign.training.train import learning_rate, stop_request

STEP_SEEDS = 1_000_003  # more than a run has steps: no two runs share the seed of a step


def train_teacher(
    network: SentenceTransformer, recipe: AdaptRecipe, by_kind: Mapping[str, Sequence[TextPair]], run: Run
) -> None:
    """Train the network in place; go on where a stopped run ended.

    Raises:
        TrainingError: there are too few pairs, the loss isn't finite, or the run's state doesn't fit.
        KeyboardInterrupt: after SIGINT or SIGTERM, once the step is finished and the state saved.
    """
    config = recipe.train
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.peak_lr, weight_decay=config.weight_decay)
    first_step = run.resume(network, nn.Module(), optimizer)
    if first_step >= config.n_steps:
        return
    shares = {kind: float(getattr(recipe, kind)) for kind in by_kind}
    plan = plan_batches(by_kind, shares, config.batch_size, config.seed)
    batches = list(islice(plan, first_step, config.n_steps))
    texts = [{"anchor": p.said, "positive": p.noted, "negative": p.wrong} for pairs in by_kind.values() for p in pairs]
    run.begin(first_step)
    run.save(first_step)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: learning_rate(first_step + done, config, 1.0))
    with run.open_log(first_step) as log, stop_request() as stop, tqdm(total=config.n_steps, initial=first_step) as bar:
        trainer = _Trainer(
            model=network,
            args=_arguments(config, run, batches, on_cpu=network.device.type == "cpu"),
            train_dataset=Dataset.from_list(texts),
            loss=_loss(network, config),
            optimizers=(optimizer, schedule),
            callbacks=[_Steps(run, config, first_step, log, stop, bar)],
        )
        trainer.remove_callback(PrinterCallback)
        with column_merging_disabled():  # merged, short notes would be padded to the longest of what was said
            trainer.train()
    network.eval()
    if run.step < config.n_steps:
        raise KeyboardInterrupt


class _Trainer(SentenceTransformerTrainer):
    """The library's, without its model card, which would show texts that were trained on."""

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        pass


def _arguments(
    config: AdaptTraining, run: Run, batches: list[list[int]], *, on_cpu: bool
) -> SentenceTransformerTrainingArguments:
    return SentenceTransformerTrainingArguments(
        output_dir=str(run.folder),
        max_steps=len(batches),
        per_device_train_batch_size=config.batch_size,
        max_grad_norm=config.max_grad_norm,
        batch_sampler=lambda *_, **__: batches,  # known beforehand
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=on_cpu,
        bf16=config.bf16,
        seed=config.seed,
    )


def _loss(network: SentenceTransformer, config: AdaptTraining) -> nn.Module:
    """Both ways: a note belongs to what was said, and what was said to the note."""
    how: Any = {"scale": config.scale, "directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    if config.chunk_size is None:
        return losses.MultipleNegativesRankingLoss(network, **how)
    return losses.CachedMultipleNegativesRankingLoss(network, mini_batch_size=config.chunk_size, **how)


class _Steps(TrainerCallback):
    """Seeds each step, and writes its line of the log and the run's state after it."""

    def __init__(self, run: Run, config: AdaptTraining, first_step: int, log: IO[str], stop: Event, bar: tqdm):
        self._run, self._config, self._first_step = run, config, first_step
        self._log, self._stop, self._bar = log, stop, bar

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        torch.manual_seed(self._config.seed * STEP_SEEDS + self._first_step + state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> Any:
        if "loss" not in logs:  # the summary at the end
            return control
        step = self._first_step + state.global_step - 1
        if not math.isfinite(logs["loss"]):
            raise TrainingError(f"step {step}: the loss is {logs['loss']}; lower --lr, or give --no-bf16")
        self._log.write(
            json.dumps({"step": step, **{name: logs[name] for name in ("loss", "learning_rate", "grad_norm")}}) + "\n"
        )
        self._bar.set_postfix(loss=f"{logs['loss']:.3f}", refresh=False)
        self._bar.update()
        is_last = step + 1 == self._config.n_steps
        if (step + 1) % self._config.save_every == 0 or is_last or self._stop.is_set():
            self._log.flush()
            self._run.save(step + 1)
        control.should_training_stop |= self._stop.is_set()
        return control
