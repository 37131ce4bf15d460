"""The state of a run on disk: enough to go on bit for bit, written whole or not at all."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import IO

import torch
from torch import Tensor, nn

from medalign.core.errors import TrainingError

STATE_FILE, LOG_FILE = "state.pt", "log.jsonl"


class RunState:
    """What changes from step to step: trained weights, optimiser, random numbers, and the best weights so far."""

    def __init__(self, run: Path, config, trainee: nn.Module, objective: nn.Module, optimizer: torch.optim.Optimizer):
        self.run, self.trainee, self.objective, self.optimizer = run, trainee, objective, optimizer
        self.config = json.dumps(asdict(config), sort_keys=True)
        self.best_score, self.best = -math.inf, None
        run.mkdir(parents=True, exist_ok=True)

    def resume(self) -> int:
        """Load the folder's state if it has one; the next step to run.

        Raises:
            TrainingError: the state belongs to another configuration, or doesn't fit this model.
        """
        path = self.run / STATE_FILE
        if not path.is_file():
            return 0
        try:
            stored = torch.load(path, weights_only=True, map_location="cpu")
            config = stored["config"]
        except (RuntimeError, KeyError, EOFError, OSError, ValueError) as error:
            told = f"{path} is not the state of a run ({type(error).__name__}); remove it to start anew"
            raise TrainingError(told) from error
        if config != self.config:
            old, new = json.loads(config), json.loads(self.config)
            differ = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
            raise TrainingError(
                f"{self.run} holds a run with another {', '.join(differ)}; give the same options to resume it, "
                "or another --out to start anew"
            )
        self._load(stored["trained"])
        self.objective.load_state_dict(stored["objective"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.best_score, self.best = stored["best_score"], stored["best"]
        torch.set_rng_state(stored["random"])
        if stored["cuda_random"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(stored["cuda_random"])
        return stored["step"]

    def save(self, step: int) -> None:
        """Write the state after `step` steps; a kill in the middle leaves the one before."""
        scratch = self.run / (STATE_FILE + ".part")
        torch.save(
            {
                "step": step,
                "config": self.config,
                "trained": self._trained(),
                "objective": self.objective.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "best_score": self.best_score,
                "best": self.best,
                "random": torch.get_rng_state(),
                "cuda_random": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
            },
            scratch,
        )
        scratch.replace(self.run / STATE_FILE)

    def open_log(self, first_step: int) -> IO[str]:
        """The log, without what a killed run wrote after its last state."""
        path = self.run / LOG_FILE
        lines = path.read_text().splitlines() if path.is_file() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] < first_step]
        path.write_text("".join(line + "\n" for line in kept))
        return open(path, "a")

    def keep_if_best(self, score: float) -> None:
        if score > self.best_score:
            self.best_score, self.best = score, {name: tensor.clone() for name, tensor in self._trained().items()}

    def load_best(self) -> None:
        if self.best is not None:
            self._load(self.best)

    def _trained(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self.trainee.named_parameters() if p.requires_grad}

    def _load(self, trained: dict[str, Tensor]) -> None:
        own = self._trained()
        shapes = ({name: (*tensor.shape,) for name, tensor in tensors.items()}.items() for tensors in (own, trained))
        if wrong := sorted({name for name, _ in set.symmetric_difference(*map(set, shapes))}):
            raise TrainingError(
                f"the state in {self.run} is of a model of another shape ({', '.join(wrong[:5])}); give another --out"
            )
        for name, tensor in own.items():
            tensor.copy_(trained[name])
