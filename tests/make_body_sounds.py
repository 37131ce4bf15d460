"""Body sounds made by arithmetic: examples for the page, and sounds for tests. None of them was recorded from anybody.

Conventions: float32 (n_samples,) at 16 kHz, at most 0.5 in size.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.body_sounds import MADE, MADE_FOLDER
from medalign.pipeline.auscultation import in_band

Waveform = Float[np.ndarray, " samples"]


def heart(rng: np.random.Generator, *, rate_per_min: float = 72, murmur: float = 0.0, jitter: float = 0.02,
          duration_s: float = 10.0, noise: float = 0.01) -> Waveform:  # fmt: skip
    """Two thuds a beat: the first lower and longer, the second higher and shorter.

    Args:
        murmur: loudness of a blowing sound between the first and the second thud, against the first.
        jitter: coefficient of variation of the beats' lengths.
        noise: of the room, against the first thud.
    """
    sound = np.zeros(round(duration_s * SAMPLE_RATE_HZ))
    blowing = in_band(rng.standard_normal(len(sound)).astype(np.float32), (120.0, 400.0))
    blowing /= np.abs(blowing).max()
    at_s = rng.uniform(0, 0.3)
    while at_s < duration_s - 0.6:
        length_s = 60 / rate_per_min * max(0.5, 1 + jitter * rng.standard_normal())
        systole_s = 0.2 + 0.1 * min(length_s, 1.2)
        _add(sound, at_s, _thud(45, 0.06))
        _add(sound, at_s + systole_s, 0.7 * _thud(65, 0.04))
        first, last = (round((at_s + part) * SAMPLE_RATE_HZ) for part in (0.07, systole_s - 0.02))
        sound[first:last] += murmur * blowing[first:last] * np.hanning(last - first)
        at_s += length_s
    return _levelled(sound + noise * rng.standard_normal(len(sound)))


def lung(rng: np.random.Generator, *, wheeze: float = 0.0, crackles: int = 0, duration_s: float = 10.0) -> Waveform:
    """Breaths of four seconds: a rustle that swells and falls, the outward one softer.

    Args:
        wheeze: loudness of a tone in the outward half.
        crackles: short clicks in each inward half.
    """
    n = round(duration_s * SAMPLE_RATE_HZ)
    t = np.arange(n) / SAMPLE_RATE_HZ
    phase = (t % 4.0) / 4.0
    inward, outward = (
        np.sin(np.pi * phase / 0.45) * (phase < 0.45),
        np.sin(np.pi * (phase - 0.5) / 0.4) * ((phase > 0.5) & (phase < 0.9)),
    )
    rustle = in_band(rng.standard_normal(n).astype(np.float32), (100.0, 800.0))
    sound = rustle * (inward + 0.5 * outward)
    sound += 3 * wheeze * rustle.std() * outward * np.sin(2 * np.pi * (420 * t + 8 * np.sin(2 * np.pi * 0.8 * t)))
    for start_s in np.arange(0, duration_s - 2, 4.0):
        for at_s in start_s + rng.uniform(0.6, 1.7, crackles):
            _add(sound, at_s, 6 * rustle.std() * _thud(500, 0.004))
    return _levelled(sound)


def cough(rng: np.random.Generator, *, n: int = 3) -> Waveform:
    """Bursts that begin at once and die away, with a voiced tail: like coughs, and no cough."""
    sound = 1e-3 * rng.standard_normal(round((0.6 * n + 0.8) * SAMPLE_RATE_HZ))
    for i in range(n):
        t = np.arange(round(0.35 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        burst = in_band(rng.standard_normal(len(t)).astype(np.float32), (300.0, 4000.0))
        voiced = np.sign(np.sin(2 * np.pi * 180 * t)) * np.exp(-(((t - 0.22) / 0.06) ** 2))
        _add(sound, 0.4 + 0.6 * i + rng.uniform(0, 0.1), burst / burst.std() * np.exp(-t / 0.07) + 0.4 * voiced)
    return _levelled(sound)


MAKERS: dict[str, Callable[[np.random.Generator], Waveform]] = {  # of `medalign.core.body_sounds.MADE`, by name
    "heart-steady": heart,
    "heart-murmur": partial(heart, rate_per_min=84, murmur=0.35),
    "heart-irregular": partial(heart, rate_per_min=96, jitter=0.22),
    "lung-wheeze": partial(lung, wheeze=1.0),
    "lung-crackles": partial(lung, crackles=8),
    "cough": cough,
}


def write_examples(folder: Path, seed: int = 0) -> list[Path]:
    """One FLAC of 16 bit each."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for i, sound in enumerate(MADE):
        path = folder / sound.path.name
        soundfile.write(path, MAKERS[sound.name](np.random.default_rng([seed, i])), SAMPLE_RATE_HZ, subtype="PCM_16")
        written.append(path)
    return written


def _thud(hz: float, decay_s: float) -> np.ndarray:
    t = np.arange(round(6 * decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.sin(2 * np.pi * hz * t) * (1 - np.exp(-t / (decay_s / 6))) * np.exp(-t / decay_s)


def _add(sound: np.ndarray, at_s: float, part: np.ndarray) -> None:
    first = round(at_s * SAMPLE_RATE_HZ)
    part = part[: max(0, len(sound) - first)]
    sound[first : first + len(part)] += part


def _levelled(sound: np.ndarray) -> Waveform:
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


if __name__ == "__main__":  # how those that MedAlign brings were made
    write_examples(MADE_FOLDER)
