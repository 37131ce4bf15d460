"""Measurements of heart, lung and cough recordings: whether the quality suffices, and rate and rhythm of a heart.

Conventions: waveforms are float32 (n_samples,) at 16 kHz in [-1, 1]; the envelope has `ENVELOPE_HZ` values a second.
"""

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, find_peaks, sosfiltfilt

from medalign.core.audio import SAMPLE_RATE_HZ, Recording
from medalign.core.body_sounds import Kind
from medalign.models.transcription import speech_stretches
from medalign.pipeline.warnings_about import is_from_a_room

Rhythm = Literal["regular", "irregular", "not sure"]

BAND_HZ: dict[Kind, tuple[float, float]] = {"heart": (20.0, 600.0), "lung": (60.0, 2000.0), "cough": (50.0, 7500.0)}
MIN_S: dict[Kind, float] = {"heart": 4.0, "lung": 3.0, "cough": 0.5}  # three slow beats; one breath; one cough
QUIET_DB = -65.0  # of the loudest twentieth in the band, to full scale
# Samples at some level over those a little below: more in 15 of 1,237 hearts, some of which look cut off; at most 1.1 in 80
# coughs and breaths. Hearts clipped at half their height have more in nine of ten, at any sampling rate.
CLIPPED = 2.0
# Of the samples at that level, the least share that stands still, moving by less than STILL of the peak: a heart that beats the
# same each time has as many samples at its peak, and passes through it. Of 120 hearts of PhysioNet 2016 clipped at half their
# height 0.90 are told so, at 2 to 44.1 kHz; without this 0.92.
STANDING, STILL = 0.2, 5e-4
FLAT: dict[Kind, float] = {"heart": 0.6, "lung": 0.9, "cough": 1.0}  # spectral flatness from which on it is noise; 1 is white
SPOKEN: dict[Kind, float] = {"heart": 0.4, "lung": 0.4, "cough": 1.0}  # share with a voice; the detector takes coughs for one

ENVELOPE_HZ = 100
BEAT_BAND_HZ = (25.0, 180.0)  # of the first and second heart sound
# Least share of the power from RUMBLE_HZ on that lies there. Of 1,237 hearts of PhysioNet 2016 none has less than 0.11; most
# coughs, breaths, voices, animals and clocks have, whose bursts would be counted as beats.
BEAT_SHARE, RUMBLE_HZ = 0.1, 15.0
RATE_PER_MIN = (35.0, 200.0)
CLEAR = 0.25  # autocorrelation of the envelope at a beat's length, below which no rate is told
EVEN = 0.1  # standard deviation of the envelope over its mean, below which nothing beats
FAINT = 0.3  # of the beats' usual strength, below which there is none
TIED = 0.9  # of the best: of lags this good the shortest is the beat, and its multiples are not
REGULAR, IRREGULAR = 0.08, 0.14  # coefficient of variation of the beats' lengths; between them, not sure


@dataclass(frozen=True)
class BodySound:
    """What is told of one recording. Its JSON is this, field by field."""

    name: str
    duration_s: float
    kind: Kind
    faults: tuple[str, ...]  # why it can't be judged; nothing else is told then
    pulse: "Pulse | None"  # of a heart that can be judged


@dataclass(frozen=True)
class Pulse:
    """How a heart beats."""

    rate_per_min: float | None  # None: not sure
    rhythm: Rhythm
    clarity: float  # autocorrelation at a beat's length, at most 1
    beats_s: tuple[float, ...] = ()  # where each beat is, if there is a rate


def examine(recording: Recording, kind: Kind) -> BodySound:
    """Whether the recording can be judged as what it is said to be, and, if it is a heart, how it beats.

    The kind is never guessed: speech that is given as a heart is told to be speech.
    """
    # The detector takes some hearts for voices; a voice has more above 1 kHz than a stethoscope lets through.
    stretches = speech_stretches(recording) if is_from_a_room(recording) else np.zeros((0, 2))
    speech_share = float(np.diff(stretches).sum()) / max(recording.duration_s, 1e-9)
    found = faults(recording.waveform, kind, speech_share)
    heart_beat = pulse(recording.waveform) if kind == "heart" and not found else None
    return BodySound(recording.name, recording.duration_s, kind, found, heart_beat)


def faults(waveform: Float[np.ndarray, " samples"], kind: Kind, speech_share: float = 0.0) -> tuple[str, ...]:
    """Why this recording can't be judged, as sentences; empty if it can.

    Args:
        speech_share: of the recording, in which somebody speaks.
    """
    duration_s = len(waveform) / SAMPLE_RATE_HZ
    if duration_s < MIN_S[kind]:
        return (f"It is {duration_s:.1f} s long; at least {MIN_S[kind]:g} s of a {kind} recording are needed.",)
    band = in_band(waveform, BAND_HZ[kind])
    if _loudness_db(band) < QUIET_DB:
        return (f"Hardly anything is to be heard between {BAND_HZ[kind][0]:g} and {BAND_HZ[kind][1]:g} Hz; record it louder.",)
    found = []
    if _pile_up(waveform) > CLIPPED:
        found.append("It is clipped: the loudest parts are cut off. Record it with less gain.")
    if speech_share > SPOKEN[kind]:
        found.append(f"Somebody speaks in {100 * speech_share:.0f} % of it; that is no {kind} recording.")
    if flatness(band, BAND_HZ[kind]) > FLAT[kind]:
        found.append("It is noise, without the shape of a body sound. Hold the stethoscope still, in a quiet room.")
    elif kind == "heart" and (share := _beat_share(waveform)) < BEAT_SHARE:
        low, high = BEAT_BAND_HZ
        reason = f"Only {100 * share:.0f} % of its power lies at {low:g} to {high:g} Hz, where a heart beats: "
        found.append(f"{reason}it is no heart recording, or the recorder leaves low sounds out.")
    return tuple(found)


def in_band(waveform: Float[np.ndarray, " samples"], band_hz: tuple[float, float]) -> Float[np.ndarray, " samples"]:
    """Without delay: forwards and backwards through a Butterworth filter."""
    sos = butter(4, band_hz, "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return sosfiltfilt(sos, waveform, padlen=min(len(waveform) - 1, SAMPLE_RATE_HZ // 10)).astype(np.float32)


def _loudness_db(waveform: np.ndarray) -> float:
    blocks = waveform[: len(waveform) // 800 * 800].reshape(-1, 800)
    loudest = np.percentile(np.sqrt(np.square(blocks).mean(1)), 95)
    return 20 * float(np.log10(loudest + 1e-12))


def _pile_up(waveform: np.ndarray) -> float:
    """How the samples crowd, and stand still, where the loudest parts were cut off: below the peak, once it was resampled."""
    levels = np.abs(waveform)
    counts = np.histogram(levels, 50, (0.0, float(levels.max(initial=1e-9))))[0]
    pairs = counts[1:] + counts[:-1]  # 4 % of the peak each
    there, below = pairs[19:], pairs[15:-4]  # from 40 % of the peak on, and 8 % below
    ratios = np.where(there >= 0.002 * len(levels), there / (below + 0.0005 * len(levels)), 0.0)
    level, peak = int(ratios.argmax()) + 19, float(levels.max(initial=1e-9))
    is_there = (levels >= level * peak / 50) & (levels <= (level + 2) * peak / 50)
    stands = is_there[1:] & (np.abs(np.diff(waveform)) < STILL * peak)
    return float(ratios.max()) if stands.sum() >= STANDING * is_there.sum() else 0.0


def _beat_share(waveform: np.ndarray) -> float:
    power = np.square(np.abs(np.fft.rfft(waveform)))
    hz = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE_HZ)
    low, high = BEAT_BAND_HZ
    return float(power[(hz >= low) & (hz <= high)].sum() / (power[hz >= RUMBLE_HZ].sum() + 1e-20))


def flatness(waveform: Float[np.ndarray, " samples"], band_hz: tuple[float, float]) -> float:
    """Geometric over arithmetic mean of the power spectrum in the band, over time: 1 for white noise, 0 for a tone."""
    n = 4096
    frames = waveform[: len(waveform) // n * n].reshape(-1, n) * np.hanning(n)
    power = np.square(np.abs(np.fft.rfft(frames))).mean(0)
    hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ)
    power = power[(hz >= band_hz[0]) & (hz <= band_hz[1])] + 1e-20
    return float(np.exp(np.log(power).mean()) / power.mean())


def pulse(waveform: Float[np.ndarray, " samples"]) -> Pulse:
    """Rate and rhythm of a heart, from how its envelope repeats itself.

    The rate is the shortest lag at which the envelope is about as like itself as at any; beats are then placed by dynamic
    programming (Ellis 2007, Beat Tracking by Dynamic Programming), as near to that lag as the envelope allows.
    """
    loudness = _loudness(waveform)
    envelope = loudness - loudness.mean()
    shortest, longest = (round(60 / rate * ENVELOPE_HZ) for rate in reversed(RATE_PER_MIN))
    if envelope.std() <= max(EVEN * loudness.mean(), 1e-7) or len(envelope) < 2.5 * shortest:
        return Pulse(None, "not sure", 0.0)
    longest = min(longest, len(envelope) // 2)
    # Pearson's correlation of the envelope with itself, `lag` steps later.
    likeness = np.array([1.0] + [np.corrcoef(envelope[:-lag], envelope[lag:])[0, 1] for lag in range(1, longest + 1)])
    lags, _ = find_peaks(likeness)
    lags = lags[(lags >= shortest) & (lags <= longest)]
    if not len(lags) or likeness[lags].max() < CLEAR:
        return Pulse(None, "not sure", float(likeness[lags].max(initial=0.0)))
    lag = int(lags[likeness[lags] >= TIED * likeness[lags].max()][0])
    beats = _beats(envelope, lag)
    lengths, length, rhythm = np.diff(beats), _between(likeness, lag), cast(Rhythm, "not sure")
    if len(lengths) >= 3:
        variation = float(lengths.std() / lengths.mean())
        rhythm = "regular" if variation < REGULAR else "irregular" if variation > IRREGULAR else "not sure"
        length = length if rhythm == "regular" else float(lengths.mean())
    at_s = tuple(round(float(beat) / ENVELOPE_HZ, 2) for beat in beats)
    return Pulse(float(60 * ENVELOPE_HZ / length), rhythm, float(likeness[lag]), at_s)


def _loudness(waveform: np.ndarray) -> Float[np.ndarray, " steps"]:
    """Of the heart sounds over time."""
    step = SAMPLE_RATE_HZ // ENVELOPE_HZ
    power = np.square(in_band(waveform, BEAT_BAND_HZ))[: len(waveform) // step * step].reshape(-1, step).mean(1)
    smooth = np.convolve(power, np.hanning(7) / np.hanning(7).sum(), "same")
    return np.sqrt(np.minimum(smooth, np.percentile(smooth, 98)))  # one knock is not to outweigh all beats


def _between(likeness: np.ndarray, lag: int) -> float:
    """The peak's place between the lags, by a parabola."""
    if not 0 < lag < len(likeness) - 1:
        return float(lag)
    before, at, after = likeness[lag - 1 : lag + 2]
    bend = before - 2 * at + after
    return lag + (0.5 * (before - after) / bend if bend < 0 else 0.0)


def _beats(envelope: np.ndarray, lag: int) -> np.ndarray:
    """Steps at which there is a beat."""
    strength = envelope / (envelope.std() + 1e-12)
    gaps = np.arange(round(0.55 * lag), round(1.75 * lag) + 1)
    cost = 2.0 * np.square(np.log(gaps / lag)) * 4
    total, before = strength.copy(), np.full(len(strength), -1)
    for i in range(len(strength)):
        candidates = gaps[gaps <= i]
        if len(candidates):
            scores = total[i - candidates] - cost[: len(candidates)]
            best = int(scores.argmax())
            if scores[best] > 0:
                total[i] += scores[best]
                before[i] = i - candidates[best]
    beats = [int(len(total) - lag + total[-lag:].argmax())]
    while before[beats[-1]] >= 0:
        beats.append(int(before[beats[-1]]))
    found = np.array(beats[::-1])
    heard = np.flatnonzero(strength[found] > FAINT * np.median(strength[found]))
    return found[heard[0] : heard[-1] + 1] if len(heard) else found[:0]  # there may be none before the first and after the last
