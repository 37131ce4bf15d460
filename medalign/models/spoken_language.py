"""Which language is spoken, by its sound alone: English or another.

A recogniser that knows English only writes English whatever it hears. But its encoder's frames, which the student computes
anyway, tell: one logistic regression on their mean and spread over a few seconds of voice.

Conventions: frames are (n_frames, encoder_dim); log-odds are above zero where another language than English is likelier.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from medalign.core.files import read_tensors, write_tensors

Frames = Float[np.ndarray, "n_frames encoder_dim"]
Stretches = Float[np.ndarray, "m 2"]
FRAMES_PER_PIECE = 250  # of voice: 5 s of Whisper's frames; longer and shorter pieces did no better
MIN_FRAMES = 50  # fewer say nothing
# A part of a recording is judged by windows of so many pieces, 20 s, one each second. Where the rest sounds like English, and
# is long enough, less tells than in a recording of one voice, whose accent may be foreign throughout.
PIECES_PER_WINDOW = 4
FRAMES_PER_STEP = 50
STEPS_PER_PIECE = FRAMES_PER_PIECE // FRAMES_PER_STEP
PART_THRESHOLD, ENGLISH_REST, LEAST_REST = 3.5, -2.0, 10  # log-odds; steps


HEAD_FILE, FIGURES_FILE = "spoken_language.safetensors", "spoken_language.json"
REMEDY = "give a complete student folder"


@dataclass(frozen=True)
class SpokenLanguageHead:
    """Weights on the mean and the standard deviation of each of the encoder's dimensions."""

    weights: Float[np.ndarray, " 2*encoder_dim"]
    intercept: float
    threshold: float  # log-odds from which on it is said that another language is spoken

    @classmethod
    def load(cls, folder: Path, encoder_dim: int) -> "SpokenLanguageHead | None":
        """The head that lies in a student's folder; None if nobody fitted one for it.

        Raises:
            CheckpointError: its files are damaged, or belong to an encoder of another width.
        """
        if not (folder / HEAD_FILE).exists():
            return None
        tensors = read_tensors(folder / HEAD_FILE, {"weights": (2 * encoder_dim,), "fit": (2,)}, remedy=REMEDY)
        intercept, threshold = tensors["fit"].tolist()
        return cls(tensors["weights"].astype(np.float64), intercept, threshold)

    def save(self, folder: Path, figures: dict) -> None:
        """Beside the student; `figures` say what it was fitted on."""
        fit = np.array([self.intercept, self.threshold], np.float32)
        write_tensors({"weights": self.weights.astype(np.float32), "fit": fit}, folder / HEAD_FILE)
        (folder / FIGURES_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")

    def log_odds(self, pieces: Float[np.ndarray, "n 2*encoder_dim"]) -> float:
        """Of a recording, the mean over its pieces as `pooled` gives them; minus infinity if there are none."""
        return float((pieces @ self.weights + self.intercept).mean()) if len(pieces) else -np.inf

    def stretches_s(self, frames: Frames, speech_s: Stretches, frames_per_s: float) -> Float[np.ndarray, "k 2"]:
        """Start and end of what sounds like another language, whatever the rest sounds like; none is shorter than a window."""
        places = _with_voice(len(frames), speech_s, frames_per_s)
        starts = range(0, len(places) - FRAMES_PER_PIECE + 1, FRAMES_PER_STEP)
        pieces = np.array([self.log_odds(_pooled(frames[places[i : i + FRAMES_PER_PIECE]])[None]) for i in starts])
        runs = np.array(_other_runs(pieces, self.threshold), int).reshape(-1, 2) * FRAMES_PER_STEP
        last = np.minimum(runs[:, 1], len(places)) - 1
        return np.stack([places[runs[:, 0]], places[last] + 1], 1) / frames_per_s


def _other_runs(pieces: Float[np.ndarray, " n"], threshold: float) -> list[tuple[int, int]]:
    """Steps [first, last) in another language, by the log-odds of the piece that begins at each step."""
    n_ahead = STEPS_PER_PIECE * (PIECES_PER_WINDOW - 1)
    if len(pieces) <= n_ahead:
        return []
    windows = np.array([pieces[i : i + n_ahead + 1 : STEPS_PER_PIECE].mean() for i in range(len(pieces) - n_ahead)])
    n_steps = len(pieces) + STEPS_PER_PIECE - 1
    steps = pieces[np.clip(np.arange(n_steps) - STEPS_PER_PIECE // 2, 0, len(pieces) - 1)]  # by the piece around each
    is_other, level = _in_windows(windows >= PART_THRESHOLD, n_steps), 0.0
    rest = steps[~is_other]
    if len(rest) < LEAST_REST or rest.mean() > ENGLISH_REST:
        is_other = _in_windows(windows >= threshold, n_steps)
    elif is_other.any():
        level = min(0.0, (steps[is_other].mean() + rest.mean()) / 2)
    return _moved_to(steps > level, is_other)


def _in_windows(tells: np.ndarray, n_steps: int) -> np.ndarray:
    """Which steps lie in a window that tells."""
    is_in = np.zeros(n_steps, bool)
    for i in np.flatnonzero(tells):
        is_in[i : i + STEPS_PER_PIECE * PIECES_PER_WINDOW] = True
    return is_in


def _moved_to(is_likely: np.ndarray, is_other: np.ndarray) -> list[tuple[int, int]]:
    """The runs of `is_other`, [first, last), their ends moved to where `is_likely` changes; runs that meet are one."""
    found: list[tuple[int, int]] = []
    changes = np.flatnonzero(np.diff(np.concatenate([[False], is_other, [False]])))
    for first, last in changes.reshape(-1, 2).tolist():
        inside = first + np.flatnonzero(is_likely[first:last])
        first, last = int(inside[0]), int(inside[-1]) + 1
        while first > 0 and is_likely[first - 1]:
            first -= 1
        while last < len(is_likely) and is_likely[last]:
            last += 1
        if found and first <= found[-1][1]:
            first, last = found[-1][0], max(last, found.pop()[1])
        found.append((first, last))
    return found


def pooled(frames: Frames, speech_s: Stretches, frames_per_s: float) -> Float[np.ndarray, "n 2*encoder_dim"]:
    """Mean and standard deviation over each few seconds with a voice in them.

    Args:
        speech_s: start and end of the stretches with a voice.
    """
    voice = frames[_with_voice(len(frames), speech_s, frames_per_s)]
    if len(voice) < MIN_FRAMES:
        return np.zeros((0, 2 * frames.shape[1]), np.float32)
    starts = range(0, max(1, len(voice) - FRAMES_PER_PIECE // 2), FRAMES_PER_PIECE)  # what is left over at the end is dropped
    return np.stack([_pooled(voice[start : start + FRAMES_PER_PIECE]) for start in starts])


def _pooled(piece: Float[np.ndarray, "n encoder_dim"]) -> Float[np.ndarray, " 2*encoder_dim"]:
    return np.concatenate([piece.mean(0), piece.std(0)])


def _with_voice(n_frames: int, speech_s: Stretches, frames_per_s: float) -> Int[np.ndarray, " n"]:
    """The places of the frames that have a voice in them, in order."""
    has_voice = np.zeros(n_frames, bool)
    for start_s, end_s in speech_s:
        has_voice[int(start_s * frames_per_s) : int(np.ceil(end_s * frames_per_s))] = True
    return np.flatnonzero(has_voice)
