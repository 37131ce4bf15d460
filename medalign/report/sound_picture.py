"""A body sound as data for the page's picture: waveform and spectrogram in the band that suits its kind, on one time axis."""

import base64

import numpy as np
from jaxtyping import Float

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.report.strip import peaks_of

N_COLUMNS, N_ROWS = 600, 72  # of the spectrogram
WINDOW_S = 0.064  # tells a first heart sound from a second, and a wheeze from its neighbours
RANGE_DB = 55.0  # shown below the loudest
SILENCE_DB = -50.0  # of half a step of 16 bit: nothing that is quieter is anybody's loudest


def sound_picture(waveform: Float[np.ndarray, " samples"], band_hz: tuple[float, float]) -> dict[str, object]:
    """
    Returns:
        Seconds, band, peaks, and the spectrogram, a byte each, row by row from the lowest frequency; both in base64.
    """
    spectrogram = _spectrogram(waveform, band_hz)
    return {
        "s": round(len(waveform) / SAMPLE_RATE_HZ, 2),
        "band": band_hz,
        "peaks": base64.b64encode(peaks_of(waveform)).decode(),
        "rows": N_ROWS,
        "spectrogram": base64.b64encode(spectrogram.tobytes()).decode(),
    }


def _spectrogram(waveform: np.ndarray, band_hz: tuple[float, float]) -> np.ndarray:
    """uint8 (N_ROWS, columns): decibels below the loudest, 255 for the loudest."""
    n = round(WINDOW_S * SAMPLE_RATE_HZ)
    padded = np.pad(waveform, n // 2)
    starts = np.linspace(0, len(padded) - n, min(N_COLUMNS, max(1, len(waveform) // 40))).astype(int)
    frames = padded[starts[:, None] + np.arange(n)] * np.hanning(n)
    power = np.square(np.abs(np.fft.rfft(frames, 4 * n)))  # finer than the window resolves, so that low bands are smooth
    hz = np.fft.rfftfreq(4 * n, 1 / SAMPLE_RATE_HZ)
    rows = np.linspace(*band_hz, N_ROWS)
    level = 10 * np.log10(power[:, np.abs(hz[:, None] - rows).argmin(0)].T + 1e-12)
    return np.clip(255 * (1 + (level - max(level.max(), SILENCE_DB)) / RANGE_DB), 0, 255).astype(np.uint8)
