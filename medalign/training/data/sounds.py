"""Speech mixed with real sounds: coughs, sneezes, breaths and crying to detect, and other sounds as negatives.

Real sounds are cut to where they are audible and laid between or over the words of a spoken take, at a level that a room
would give; others (dogs, rain, clocks, people who count or sing a vowel) are laid in as well and mean nothing. Splits are by
person where the collection names persons, else by its folds.

Sources: Coswara (Sharma et al., Interspeech 2020), covid19-cough (CC0), ESC-10 (Piczak, ACM Multimedia 2015).
"""

import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import AudioError, DataError
from medalign.core.tables import read_rows
from medalign.models.sound_events import LABELS, STEP_S, STEPS_PER_S
from medalign.training.data.synthesis import RMS, Take

log = logging.getLogger(__name__)

Part = Literal["train", "valid", "test"]
Row = dict[str, str]
NOTHING = ""  # the label of a sound that is no sign

MIXTURE_S = 28.0
STEP = SAMPLE_RATE_HZ // STEPS_PER_S
AUDIBLE = 10 ** (-25 / 20)  # of a clip's loudest tenth of a second
LEAST_RMS = 0.002
# Longest and shortest stretch of a clip that is laid in, and its level against the speech, in dB.
LENGTH_S = {"cough": (0.3, 3.0), "sneeze": (0.4, 2.5), "heavy breathing": (1.5, 6.0), "crying": (1.0, 4.0), NOTHING: (0.3, 5.0)}
LEVEL_DB = {"cough": (-8, 8), "sneeze": (-8, 8), "heavy breathing": (-14, 2), "crying": (-10, 6), NOTHING: (-14, 6)}
PAUSE_S = (0.1, 0.8)
OVER_SHARE = 0.35  # of the sounds are laid over words, the others between them


@dataclass(frozen=True)
class Sound:
    """One real sound, without silent ends."""

    label: str  # of `LABELS`, or `NOTHING`
    waveform: np.ndarray  # float32 at 16 kHz
    source: str


@dataclass(frozen=True)
class Mixture:
    """Speech with sounds in it."""

    waveform: np.ndarray
    truth: np.ndarray  # (n_steps, k) 1 where the sign sounds, 0 where not, NaN in the pauses inside one
    laid_in: tuple[tuple[str, float, float], ...]  # label, start_s, end_s


def read_sounds(folder: Path, part: Part) -> tuple[Sound, ...]:
    """The sounds of coswara/, covid19_cough/ and esc10/ in `folder` that belong to a part.

    Raises:
        DataError: none of the three is there.
    """
    found = [
        (path, label)
        for name, sort in SORTED_BY.items()
        if (folder / name / "manifest.csv").is_file()
        for path, row in listed(folder / name)
        for label, row_part in [sort(row)]
        if row_part == part
    ]
    if not found:
        raise DataError(f"{folder} holds none of coswara/, covid19_cough/, esc10/; point --body-sounds to the folder that does")
    sounds = []
    for path, label in found:
        try:
            waveform = audible_part(load_recording(path).waveform)
        except AudioError as error:
            log.info("left out: %s", error)
            continue
        if len(waveform) >= LENGTH_S[label][0] * SAMPLE_RATE_HZ:
            sounds.append(Sound(label, waveform, str(path.relative_to(folder))))
    return tuple(sounds)


def listed(folder: Path) -> list[tuple[Path, Row]]:
    """The files of a folder's manifest.csv, with what it says of them. Raises DataError as `read_rows`."""
    rows = read_rows(folder / "manifest.csv", ("path",), remedy="give the folder as it was published")
    return [(folder / row["path"], row) for row in rows]


def _coswara(row: Row) -> tuple[str, Part | None]:
    label = {"cough": "cough", "breathing": "heavy breathing"}.get(row["sound_type"].split("-")[0], NOTHING)
    person = zlib.crc32(row["participant_id"].encode())
    part: Part = "test" if row["split"] == "test" else "valid" if person % 5 == 0 else "train"
    return label, None if row["near_silent"] == "1" else part


def _esc10(row: Row) -> tuple[str, Part | None]:
    folds: dict[str, Part] = {"5": "test", "4": "valid"}
    label = {"Person sneeze": "sneeze", "Baby cry": "crying"}.get(row["label"], NOTHING)
    return label, folds.get(row["fold"], "train")


SORTED_BY: dict[str, Callable[[Row], tuple[str, Part | None]]] = {  # label and part of a row; without a part, it is left out
    "coswara": _coswara,
    "covid19_cough": lambda row: ("cough", "train"),  # nobody says which clips are of one person
    "esc10": _esc10,
}


def audible_part(waveform: np.ndarray) -> np.ndarray:
    """From the first audible step to the last; empty for silence."""
    loud = np.flatnonzero(is_audible(waveform))
    return waveform[loud[0] * STEP : (loud[-1] + 1) * STEP] if len(loud) else waveform[:0]


def is_audible(waveform: np.ndarray) -> np.ndarray:
    """Whether each whole step is, (n_steps,) bool."""
    n_steps = len(waveform) // STEP
    rms = np.sqrt(np.mean(waveform[: n_steps * STEP].reshape(n_steps, STEP) ** 2, 1)) if n_steps else np.zeros(0)
    return (rms > LEAST_RMS) & (rms > AUDIBLE * rms.max(initial=0))


def mix(take: Take, waveform: np.ndarray, sounds: Sequence[Sound], rng: np.random.Generator) -> Mixture:
    """`MIXTURE_S` from anywhere in a take, with the sounds between its utterances or over them.

    Args:
        waveform: of the take.
    """
    first = int(rng.integers(max(1, len(take.utterances) - 3)))
    begin_s = take.utterances[first].start_s
    gaps = [int((u.start_s - begin_s) * SAMPLE_RATE_HZ) for u in take.utterances[first:] if u.start_s - begin_s < MIXTURE_S]
    speech = waveform[int(begin_s * SAMPLE_RATE_HZ) :][: int(MIXTURE_S * SAMPLE_RATE_HZ)]
    is_over = rng.random(len(sounds)) < OVER_SHARE
    between = [(int(rng.choice(gaps)), _prepared(s, rng)) for s, over in zip(sounds, is_over, strict=True) if not over]
    over = [_prepared(s, rng) for s, over in zip(sounds, is_over, strict=True) if over]
    pieces: list[tuple[str, np.ndarray]] = []
    position = 0
    for gap, (label, event) in sorted(between, key=lambda pair: pair[0]):
        pieces += [(NOTHING, speech[position:gap]), (NOTHING, _pause(rng)), (label, event), (NOTHING, _pause(rng))]
        position = gap
    pieces.append((NOTHING, speech[position:]))
    n_samples = int(MIXTURE_S * SAMPLE_RATE_HZ)
    mixed = np.concatenate([piece for _, piece in pieces])[:n_samples]
    mixed = np.pad(mixed, (0, n_samples - len(mixed)))
    truth = np.zeros((n_samples // STEP, len(LABELS)), np.float32)
    laid_in: list[tuple[str, float, float]] = []
    start = 0
    for label, piece in pieces:
        if label != NOTHING:
            _mark(truth, laid_in, label, piece, start)
        start += len(piece)
    for label, event in over:
        start = int(rng.integers(n_samples - len(event)))
        mixed[start : start + len(event)] += event
        _mark(truth, laid_in, label, event, start)
    return Mixture(np.clip(mixed, -1, 1), truth, tuple(laid_in))


def _prepared(sound: Sound, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A stretch of the sound at a level against the speech, faded at its ends."""
    shortest, longest = LENGTH_S[sound.label]
    n = min(len(sound.waveform), int(rng.uniform(shortest, longest) * SAMPLE_RATE_HZ))
    starts = np.flatnonzero(is_audible(sound.waveform)) * STEP  # never only the pause between two coughs
    start = min(int(rng.choice(starts)), len(sound.waveform) - n)
    event = sound.waveform[start : start + n].copy()
    loud = np.repeat(is_audible(event), STEP)
    rms = float(np.sqrt(np.mean(event[: len(loud)][loud] ** 2))) if loud.any() else 1.0
    event *= RMS * 10 ** (rng.uniform(*LEVEL_DB[sound.label]) / 20) / rms
    ramp = np.linspace(0, 1, min(len(event) // 2, SAMPLE_RATE_HZ // 100), dtype=np.float32)
    event[: len(ramp)] *= ramp
    event[len(event) - len(ramp) :] *= ramp[::-1]
    return sound.label, event


def _pause(rng: np.random.Generator) -> np.ndarray:
    return np.zeros(int(rng.uniform(*PAUSE_S) * SAMPLE_RATE_HZ), np.float32)


def _mark(truth: np.ndarray, laid_in: list, label: str, event: np.ndarray, start: int) -> None:
    first, n_steps = round(start / STEP), len(event) // STEP
    stretch = truth[first : first + n_steps]  # shorter where the mixture ends
    if not len(stretch):
        return
    laid_in.append((label, first * STEP_S, (first + len(stretch)) * STEP_S))
    if label != NOTHING:
        audible = is_audible(event)[: len(stretch)]
        column = stretch[:, LABELS.index(label)]
        column[audible] = 1
        column[~audible & (column != 1)] = np.nan
