"""What rooms, telephones and bystanders do to speech, drawn from a passed generator. No data needed.

Conventions: waveforms are float32 (n_samples,) in [-1, 1]; signal-to-noise ratios compare mean powers over the whole
waveform, in dB.
"""

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

SNR_DB = (0.0, 20.0)
SECTION_S = 20.0  # conditions change this often, so that one consultation teaches several


def pink_noise(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise with power falling as 1/f, at unit RMS."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), n_samples)
    return (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)


def add_noise(waveform: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """The mixture at that ratio of mean powers; silent noise or speech leaves the waveform as it is."""
    power, noise_power = float(np.mean(waveform**2)), float(np.mean(noise**2))
    if power == 0 or noise_power == 0:
        return waveform
    return (waveform + noise * np.sqrt(power / noise_power / 10 ** (snr_db / 10))).astype(np.float32)


def babble(waveform: np.ndarray, rng: np.random.Generator, n_voices: int = 4) -> np.ndarray:
    """Other people talking: the waveform itself, shifted far away and laid over itself."""
    shifts = rng.integers(len(waveform) // 8, max(len(waveform) - 1, len(waveform) // 8 + 1), n_voices)
    return sum(np.roll(waveform, int(shift)) for shift in shifts)


def reverberate(waveform: np.ndarray, sample_rate_hz: int, decay_s: float, rng: np.random.Generator) -> np.ndarray:
    """A room whose sound falls by 60 dB in `decay_s`: exponentially decaying noise after the direct sound."""
    n_tail = int(decay_s * sample_rate_hz)
    tail = rng.standard_normal(n_tail) * 10 ** (-3 * np.arange(n_tail) / n_tail)
    impulse = np.concatenate([[1.0], 0.3 * tail / np.sqrt(np.sum(tail**2) + 1e-9)])
    return fftconvolve(waveform, impulse)[: len(waveform)].astype(np.float32)


def telephone(waveform: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """The band of a telephone, 300-3400 Hz."""
    return sosfilt(butter(4, (300, 3400), "bandpass", fs=sample_rate_hz, output="sos"), waveform).astype(np.float32)


def degrade(waveform: np.ndarray, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Noise at 0-20 dB, and at times a room, a telephone or another gain, drawn anew every 20 s."""
    crowd = babble(waveform, rng)
    n_section = int(SECTION_S * sample_rate_hz)
    sections = []
    for start in range(0, len(waveform), n_section):
        section = waveform[start : start + n_section]
        if rng.random() < 0.4:
            section = reverberate(section, sample_rate_hz, float(rng.uniform(0.15, 0.6)), rng)
        noise = pink_noise(len(section), rng) if rng.random() < 0.6 else crowd[start : start + n_section]
        section = add_noise(section, noise, float(rng.uniform(*SNR_DB)))
        if rng.random() < 0.2:
            section = telephone(section, sample_rate_hz)
        sections.append(section * float(10 ** (rng.uniform(-12, 6) / 20)))
    return np.clip(np.concatenate(sections), -1, 1)
