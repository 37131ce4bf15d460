"""Sound events: a cough, a sneeze, heavy breathing, crying. Heard in the sound itself, in and between the words.

A transcript can't hold them: a recogniser is trained to leave them out. A small convolutional head on the student's encoder
frames says ten times a second how likely each kind of sound is; runs of it become events. The frames are there already.

Conventions: frames are (n_frames, encoder_dim) at the encoder's rate; a step is a tenth of a second; k is the number of
kinds. Logits are per step; probabilities of an event are calibrated on mixtures of people not heard in training.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from medalign.core.analysis import SoundEvent
from medalign.core.errors import CheckpointError
from medalign.core.files import read_json, write_tensors
from medalign.models.pretrained import check_fit, read_state

LABELS = ("cough", "sneeze", "heavy breathing", "crying")
STEPS_PER_S = 10
STEP_S = 1 / STEPS_PER_S
WIDTH = 64
MERGE_S = 0.8  # events of one kind this close are one: a bout of coughing, not six coughs
SMOOTH_STEPS = 3  # a click that lasts a tenth of a second is no cough
MIN_S = {"heavy breathing": 1.0, "crying": 0.6}  # of an event; a shorter breath is how everybody speaks

MAX_FRAMES_PER_STEP = 100
PIECE_STEPS = 600  # whose frames are copied at once: those of an hour would take 0.8 GB

SOUND_EVENTS_FILE, SOUND_EVENTS_CONFIG = "sound_events.safetensors", "sound_events.json"
REMEDY = "run `medalign sound-events` again"


class SoundEventHead(nn.Module):
    """Convolutions over a tenth of a second, then over about two seconds around it."""

    def __init__(self, encoder_dim: int, frames_per_step: int):
        super().__init__()
        self.frames_per_step = frames_per_step
        self.norm = nn.LayerNorm(encoder_dim)
        self.stack = nn.Conv1d(encoder_dim, WIDTH, frames_per_step, stride=frames_per_step)
        self.near = nn.Conv1d(WIDTH, WIDTH, 5, padding=2)
        self.wide = nn.Conv1d(WIDTH, WIDTH, 5, padding=4, dilation=2)
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(WIDTH, len(LABELS))

    def forward(self, frames: Float[Tensor, "batch frames encoder_dim"]) -> Float[Tensor, "batch steps k"]:
        """Logits; frames short of a step are dropped."""
        n_steps = frames.shape[1] // self.frames_per_step
        pieces = frames[:, : n_steps * self.frames_per_step].split(PIECE_STEPS * self.frames_per_step, dim=1)
        x = torch.relu(torch.cat([self.stack(self.dropout(self.norm(piece)).transpose(1, 2)) for piece in pieces], 2))
        x = x + torch.relu(self.near(self.dropout(x)))
        x = x + torch.relu(self.wide(self.dropout(x)))
        return self.out(x.transpose(1, 2))


@dataclass(frozen=True)
class Event:
    """A run of steps in which one kind is heard."""

    column: int  # of `LABELS`
    first: int  # steps [first, last]
    last: int
    peak: float  # logit, smoothed


class SoundEventDetector:
    """A head with its thresholds and calibration, for one encoder."""

    def __init__(self, head: SoundEventHead, thresholds: np.ndarray, fit: np.ndarray):
        """
        Args:
            thresholds: (k,) smoothed logit from which on a run is an event.
            fit: (k, 2) slope and intercept from an event's peak to the logit of its probability.
        """
        self.head = head.eval()
        self.thresholds, self.fit = thresholds, fit

    @classmethod
    def load(cls, folder: Path, encoder_dim: int) -> "SoundEventDetector | None":
        """The detector that lies in a student's folder; None if nobody trained one for it.

        Raises:
            CheckpointError: its files are damaged, or belong to an encoder of another width.
        """
        if not (folder / SOUND_EVENTS_FILE).exists():
            return None
        config = read_json(folder / SOUND_EVENTS_CONFIG, dict, remedy=REMEDY)
        step, state = config.get("frames_per_step"), read_state(folder / SOUND_EVENTS_FILE, remedy=REMEDY)
        if config.get("labels") != list(LABELS) or not isinstance(step, int) or not 1 <= step <= MAX_FRAMES_PER_STEP:
            raise CheckpointError(
                f"{folder / SOUND_EVENTS_CONFIG} is of another detector (labels {config.get('labels')}, "
                f"frames_per_step {step}); {REMEDY}"
            )
        head = SoundEventHead(encoder_dim, step)
        fitted = {"thresholds": torch.zeros(len(LABELS)), "fit": torch.zeros(len(LABELS), 2)}
        check_fit({**head.state_dict(), **fitted}, state, str(folder / SOUND_EVENTS_FILE), remedy=REMEDY)
        thresholds, fit = (state.pop(name).double().numpy() for name in fitted)
        head.load_state_dict(state)
        return cls(head, thresholds, fit)

    def save(self, folder: Path, figures: dict) -> None:
        """Beside the student; `figures` say how well it does."""
        state = {name: tensor.contiguous() for name, tensor in self.head.state_dict().items()}
        state |= {"thresholds": torch.from_numpy(self.thresholds), "fit": torch.from_numpy(self.fit)}
        write_tensors(state, folder / SOUND_EVENTS_FILE)
        config = {"labels": list(LABELS), "frames_per_step": self.head.frames_per_step, **figures}
        (folder / SOUND_EVENTS_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @torch.inference_mode()
    def logits(self, frames: Float[Tensor, "frames encoder_dim"]) -> Float[np.ndarray, "steps k"]:
        """Smoothed logits of a whole recording."""
        if len(frames) < self.head.frames_per_step:
            return np.zeros((0, len(LABELS)))
        return smoothed(self.head.to(frames.device)(frames[None])[0].double().cpu().numpy())

    def lead(self, frames: Float[Tensor, "frames encoder_dim"]) -> Float[np.ndarray, "steps k"]:
        """How far each kind is over its threshold."""
        return self.logits(frames) - self.thresholds

    def detect(self, frames: Tensor) -> tuple[SoundEvent, ...]:
        """The events in a recording, in order of time."""
        events = find_events(self.logits(frames), self.thresholds)
        times_s = [(round(event.first * STEP_S, 3), round((event.last + 1) * STEP_S, 3)) for event in events]
        pairs = zip(events, times_s, strict=True)
        found = [SoundEvent(LABELS[event.column], *time_s, round(self.probability(event), 4)) for event, time_s in pairs]
        return tuple(sorted(found, key=lambda event: event.start_s))

    def probability(self, event: Event) -> float:
        slope, intercept = self.fit[event.column]
        return float(1 / (1 + np.exp(-(slope * event.peak + intercept))))


def smoothed(logits: Float[np.ndarray, "steps k"]) -> Float[np.ndarray, "steps k"]:
    """Running mean over `SMOOTH_STEPS`."""
    kernel = np.ones(SMOOTH_STEPS) / SMOOTH_STEPS
    padded = np.pad(logits, ((SMOOTH_STEPS // 2, SMOOTH_STEPS // 2), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, mode="valid") for column in padded.T], 1)


def find_events(logits: Float[np.ndarray, "steps k"], thresholds: Float[np.ndarray, " k"]) -> tuple[Event, ...]:
    """Runs of steps over their kind's threshold; those less than `MERGE_S` apart are one, and short ones may be none.

    Where several kinds are over theirs at once, each step counts for the one that is furthest over: a sneeze is
    a little like a cough, and one noise should not be reported twice.
    """
    over = logits - thresholds
    best = over.argmax(1)
    events = []
    for column in range(logits.shape[1]):
        steps = np.flatnonzero((over[:, column] > 0) & (best == column))
        shortest = MIN_S.get(LABELS[column], STEP_S) * STEPS_PER_S
        for run in np.split(steps, np.flatnonzero(np.diff(steps) > MERGE_S * STEPS_PER_S) + 1):
            if len(run) >= shortest:
                events.append(Event(column, int(run[0]), int(run[-1]), float(logits[run, column].max())))
    return tuple(events)
