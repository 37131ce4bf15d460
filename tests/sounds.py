"""Recordings for tests, encoded by FFmpeg's libraries as recorders do it."""

import io

import av
import numpy as np

from medalign.core.audio import SAMPLE_RATE_HZ


def encode(
    container: str, codec: str, sample_rate_hz: int, samples: np.ndarray, options: dict | None = None, **container_options: str
) -> bytes:
    """Samples (n,) or (n, 2) in a container, as bytes."""
    file = io.BytesIO()
    layout = "mono" if samples.ndim == 1 else "stereo"
    columns = np.ascontiguousarray(samples.reshape(len(samples), -1).T, np.float32)
    with av.open(file, "w", format=container, container_options=container_options) as output:
        stream = output.add_stream(codec, rate=sample_rate_hz, layout=layout, options=options or {})
        frame = av.AudioFrame.from_ndarray(columns, format="fltp", layout=layout)
        frame.sample_rate = sample_rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return file.getvalue()


def tone(sample_rate_hz: int, duration_s: float = 1.0, hertz: float = 300.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(duration_s * sample_rate_hz)) / sample_rate_hz)


def wav(samples: np.ndarray, sample_rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    return encode("wav", "pcm_s16le", sample_rate_hz, samples)
