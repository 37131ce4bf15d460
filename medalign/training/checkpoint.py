"""A run on disk: its identity and its state, which resumes bit for bit; written atomically."""

import json
import math
import platform
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from medalign import __version__
from medalign.core.errors import TrainingError
from medalign.core.files import check_regular, check_writable, first_line, read_text, reading, replacing, typed
from medalign.core.identity import Identity, flat
from medalign.training.identity import STEPS, check_resumed

STATE_FILE, LOG_FILE = "state.pt", "log.jsonl"
ENDINGS = {".pt", ".jsonl", ".json", ".safetensors", ".html", ".md"}  # of what a run writes
REMEDY = "remove it to start anew"
KINDS: dict[str, type] = {  # what a state holds
    "identity": dict, "sessions": list, "seconds": float, "step": int, "trained": dict, "objective": dict, "optimizer": dict,
    "best_score": float, "best": dict, "random": Tensor,
}  # fmt: skip


@dataclass(frozen=True)
class _Session:
    """Steps that were done in one place."""

    first_step: int
    n_steps: int | None
    date: str
    hardware: str
    versions: dict[str, str]


class Run:
    """A folder, the identity of the run in it, and what changes from step to step.

    Identity and weights lie in one file, so that neither can be had without the other.
    """

    def __init__(self, folder: Path, identity: Identity):
        """Open the folder, whether a run is in it or not.

        Raises:
            TrainingError: the folder holds another run (every difference is named), or a damaged state.
        """
        self.folder = folder
        _check_folder(folder)
        self.identity: Identity = json.loads(json.dumps(identity))  # as it will be read back: lists for tuples
        self.sessions: list[dict[str, Any]] = []
        self.best_score, self.best = -math.inf, dict[str, Tensor]()
        self.step = 0  # how many are done
        self.seconds, self._opened = 0.0, time.monotonic()  # wall time of all sessions up to the last state
        self._stored = self._read()
        if self._stored is not None:
            check_resumed(self._stored["identity"], self.identity, folder)
            self.step, self.sessions, self.seconds = (self._stored[name] for name in ("step", "sessions", "seconds"))
            self.best_score, self.best = self._stored["best_score"], self._stored["best"]

    def _read(self) -> dict[str, Any] | None:
        path = self.folder / STATE_FILE
        if not path.exists():
            return None
        check_regular(path, error=TrainingError, remedy=REMEDY)
        with self._reading():
            stored = _loaded(path)
            if odd := [name for name, kind in KINDS.items() if not isinstance(stored[name], kind)]:
                raise TypeError(f"{odd[0]} is a {type(stored[odd[0]]).__name__}")
            json.dumps([stored["identity"], stored["seconds"]], allow_nan=False)
            most = flat(stored["identity"]).get(STEPS, math.inf)
            if not 0 <= stored["step"] <= most or stored["seconds"] < 0 or math.isnan(stored["best_score"]):
                values = ", ".join(f"{name} {stored[name]}" for name in ("step", "seconds", "best_score"))
                raise ValueError(f"{values} of {most} steps")
            typed(stored["sessions"], list[_Session])
        return stored

    def _reading(self) -> AbstractContextManager[None]:
        return reading(f"{self.folder / STATE_FILE} is not the state of a run", error=TrainingError, remedy=REMEDY)

    def resume(self, trainee: nn.Module, objective: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Bring what is trained to where the run ended; the next step to do.

        Raises:
            TrainingError: the state doesn't fit this model.
        """
        self._trainee, self._objective, self._optimizer = trainee, objective, optimizer
        stored, self._stored = self._stored, None
        if stored is None:
            return 0
        with self._reading():
            self._load(stored["trained"])
            objective.load_state_dict(stored["objective"])
            optimizer.load_state_dict(stored["optimizer"])
            torch.set_rng_state(stored["random"])
            if stored["cuda_random"] is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(stored["cuda_random"])
        return self.step

    def begin(self, first_step: int) -> None:
        """Record where the steps from here on are done, unless it is as in the last session."""
        session = {"n_steps": flat(self.identity).get(STEPS)} | environment()
        if not self.sessions or any(self.sessions[-1][name] != session[name] for name in session if name != "date"):
            self.sessions.append({"first_step": first_step} | session)

    def save(self, step: int) -> None:
        """Write identity and state after `step` steps; a kill in the middle leaves the one before."""
        now = time.monotonic()
        self.step, self.seconds, self._opened = step, self.seconds + now - self._opened, now
        state = {
            "identity": self.identity,
            "sessions": self.sessions,
            "seconds": self.seconds,
            "step": step,
            "trained": self._trained(),
            "objective": self._objective.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "best_score": self.best_score,
            "best": self.best,
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        }
        with replacing(self.folder / STATE_FILE) as file:
            torch.save(state, file)

    def open_log(self, first_step: int) -> IO[str]:
        """The log, without what a killed run wrote after its last state."""
        kept = [entry for entry in self.log_entries() if entry["step"] < first_step]
        path = self.folder / LOG_FILE
        path.write_text("".join(json.dumps(entry) + "\n" for entry in kept))
        return open(path, "a")

    def log_entries(self) -> list[dict[str, Any]]:
        """What the log holds, but for a last line that was cut off; nothing if there is none. Raises TrainingError."""
        path, remedy = self.folder / LOG_FILE, "remove it, and the steps so far are left out"
        if not path.exists():
            return []
        lines = read_text(path, error=TrainingError, remedy=remedy).splitlines()
        with reading(f"{path} is not the log of a run", error=TrainingError, remedy=remedy):
            entries = [json.loads(line) for line in lines if line.endswith("}")]
            return [entry | {"step": int(entry["step"])} for entry in entries]

    def keep_if_best(self, score: float) -> None:
        if score > self.best_score:
            self.best_score, self.best = score, {name: tensor.clone() for name, tensor in self._trained().items()}

    def load_best(self) -> None:
        if self.best:
            self._load(self.best)

    def _trained(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self._trainee.named_parameters() if p.requires_grad}

    def _load(self, trained: dict[str, Tensor]) -> None:
        parameters = self._trained()
        shapes = [{(name, *tensor.shape) for name, tensor in tensors.items()} for tensors in (parameters, trained)]
        if wrong := sorted({name for name, *_ in shapes[0] ^ shapes[1]}):
            raise TrainingError(
                f"the state in {self.folder} is of a model of another shape ({', '.join(wrong[:5])}); give another --out"
            )
        for name, tensor in parameters.items():
            tensor.copy_(trained[name])


def _check_folder(folder: Path) -> None:
    """Make the folder of a run, and see before its first step that the run can be written there. Raises TrainingError."""
    remedy = "give another --out"
    check_writable(folder, "a run", error=TrainingError, remedy=remedy)
    try:
        for path in folder.iterdir():  # what reads or replaces it would wait for a fifo's writer, or fail after the work
            if path.suffix in ENDINGS and path.exists():
                check_regular(path, error=TrainingError, remedy=f"take it out, or {remedy}")
    except OSError as error:
        raise TrainingError(f"{folder} can't hold a run ({first_line(error)}); {remedy}") from error


def _loaded(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as damaged:  # what torch says of one is advice to load it without safeguards
        raise ValueError("it is cut off, damaged or of another program") from damaged


def environment() -> dict[str, Any]:
    """Date, hardware and versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": f"{torch.get_num_threads()} threads, {gpu}",
        "versions": {
            "medalign": __version__,
            "torch": str(torch.__version__),  # a class of its own, which a state must not hold
            "transformers": version("transformers"),
            "python": platform.python_version(),
        },
    }
