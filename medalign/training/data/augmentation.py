"""Augmentation: rooms, telephones, codecs and babble for speech; variations of body sounds.

Everything is drawn from a passed generator. Noise clips are optional.

Conventions: waveforms are float32 (n_samples,) in [-1, 1] at 16 kHz, noises are at unit RMS; signal-to-noise ratios compare
mean powers over the whole waveform, in dB.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import av
import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError
from medalign.core.tables import read_rows
from medalign.core.weights import sha256_of

SNR_DB = (0.0, 20.0)
SECTION_S = 20.0  # conditions change this often, so that one consultation teaches several
CODEC_SHARE = 0.15  # of the sections
# Name: encoder, container (which carries the codec's delay, so that decoding skips it), rate in Hz.
CODECS = {
    "opus": ("libopus", "ogg", 16_000),
    "mp3": ("libmp3lame", "mp3", 16_000),
    "pcm_alaw": ("pcm_alaw", "wav", 8_000),
    "pcm_mulaw": ("pcm_mulaw", "wav", 8_000),
}
BIT_RATES = {"opus": (8_000, 24_000), "mp3": (24_000, 48_000)}  # what calls and voice memos use
MARGIN_S = 0.1  # encoded after the end and cut off again: more than any of these codecs holds back

BODY_SPEED = (0.95, 1.05)  # a heart beats, and a chest breathes, a little faster or slower
BODY_SNR_DB = (10.0, 30.0)  # a stethoscope is held, and there is no telephone: its band, 300-3400 Hz, would leave no heart

SILENT_RMS = 1e-3  # -60 dB of full scale
FADE_S = 0.02
HELD_OUT_FOLD = "5"
MAX_SILENT_DRAWS = 100


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
    return np.sum([np.roll(waveform, int(shift)) for shift in shifts], 0)


def reverberate(waveform: np.ndarray, decay_s: float, rng: np.random.Generator) -> np.ndarray:
    """A room whose sound falls by 60 dB in `decay_s`: exponentially decaying noise after the direct sound."""
    n_tail = int(decay_s * SAMPLE_RATE_HZ)
    tail = rng.standard_normal(n_tail) * 10 ** (-3 * np.arange(n_tail) / n_tail)
    impulse = np.concatenate([[1.0], 0.3 * tail / np.sqrt(np.sum(tail**2) + 1e-9)])
    return fftconvolve(waveform, impulse)[: len(waveform)].astype(np.float32)


def telephone(waveform: np.ndarray) -> np.ndarray:
    """The band of a telephone, 300-3400 Hz."""
    return sosfilt(butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE_HZ, output="sos"), waveform).astype(np.float32)


def codec(waveform: np.ndarray, name: str, bit_rate: int = 0) -> np.ndarray:
    """The waveform after encoding and decoding, as long as it was and in time with it; clipped to [-1, 1].

    Args:
        name: opus or mp3 (at 16 kHz), pcm_alaw or pcm_mulaw (a digital telephone line, at 8 kHz).
        bit_rate: in bit/s; the telephone's is fixed at 64 000.

    Raises:
        ValueError: an unknown codec, or no positive bit rate for opus or mp3.
    """
    if name not in CODECS:
        raise ValueError(f"unknown codec {name!r}; known are {', '.join(CODECS)}")
    if name in BIT_RATES and bit_rate <= 0:
        raise ValueError(f"{name} needs a bit rate in bit/s, got {bit_rate}")
    encoder, container_format, rate_hz = CODECS[name]
    padded = np.concatenate([waveform, np.zeros(int(MARGIN_S * SAMPLE_RATE_HZ), np.float32)])
    samples = np.clip(resample_poly(padded, rate_hz, SAMPLE_RATE_HZ), -1, 1)
    frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate = rate_hz
    memory = io.BytesIO()
    with av.open(memory, "w", format=container_format) as container:
        stream = container.add_stream(encoder, rate=rate_hz)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        if name in BIT_RATES:
            stream.bit_rate = bit_rate
        for part in (frame, None):
            container.mux(stream.encode(part))
    memory.seek(0)
    with av.open(memory, "r") as encoded:
        resampler = av.AudioResampler(format="flt", layout="mono")
        frames = [out for decoded in encoded.decode(audio=0) for out in resampler.resample(decoded)]
    decoded = np.concatenate([out.to_ndarray()[0] for out in frames])
    back = resample_poly(decoded, SAMPLE_RATE_HZ, frames[0].sample_rate)[: len(waveform)]
    return np.clip(back, -1, 1).astype(np.float32)


@dataclass(frozen=True)
class NoiseClips:
    """Recorded noises, decoded when first drawn and then kept, in 16 bit, at 16 kHz."""

    folders: tuple[tuple[Path, ...], ...]  # the clips of each folder
    _decoded: dict[Path, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of each clip: what is mixed in, whatever the files are called. Raises DataError if one is missing."""
        try:
            return tuple(sha256_of(path) for clips in self.folders for path in clips)
        except OSError as error:
            raise DataError(
                f"noise clip {error.filename} can't be read ({error.strerror}); give wav, flac, ogg or mp3"
            ) from error

    @classmethod
    def from_folders(cls, folders: Iterable[Path]) -> "NoiseClips":
        """The clips that each folder's manifest.csv lists in its column `path`, but for those kept for testing.

        A `split` column decides (train), else a `fold` column (not 5, as ESC-50 counts); with neither, all clips are in.

        Raises:
            DataError: a folder has no manifest.csv with a column `path`, or lists no clip to train with.
        """
        found = []
        for folder in map(Path, folders):
            rows = read_rows(folder / "manifest.csv", ("path",), remedy="give a folder of noise clips")
            learn = [row["split"] == "train" if row.get("split") else row.get("fold") != HELD_OUT_FOLD for row in rows]
            clips = tuple(folder / row["path"] for row, is_for_training in zip(rows, learn, strict=True) if is_for_training)
            if not clips:
                raise DataError(f"{folder / 'manifest.csv'} lists no clip to train with; give a folder of noise clips")
            found.append(clips)
        return cls(tuple(found))

    def draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Clips of random folders one after the other, each at unit RMS and faded into the next; float32 (n_samples,).

        A pure function of the clips and the generator's state.

        Raises:
            DataError: a clip is missing or can't be decoded, or all that were drawn are silent.
        """
        noise = np.zeros(n_samples, np.float32)
        position = 0
        while position < n_samples:
            clip = self._draw_clip(rng)
            n_fade = min(int(FADE_S * SAMPLE_RATE_HZ), len(clip) // 2)
            ramp = np.sin(np.pi / 2 * (np.arange(n_fade) + 0.5) / n_fade)  # squares add up to one: equal power
            clip[:n_fade] *= ramp
            clip[-n_fade:] *= ramp[::-1]
            part = clip[: n_samples - position]
            noise[position : position + len(part)] += part
            position += len(clip) - n_fade
        return noise

    def _draw_clip(self, rng: np.random.Generator) -> np.ndarray:
        for _ in range(MAX_SILENT_DRAWS):
            clips = self.folders[rng.integers(len(self.folders))]  # folder first: the largest must not drown the others
            clip = self._load(clips[rng.integers(len(clips))])
            if len(clip):
                clip = clip.astype(np.float32)
                return clip / np.sqrt(np.mean(clip**2))
        raise DataError(f"{MAX_SILENT_DRAWS} noise clips in a row are silent, such as {clips[0]}; give audible ones")

    def _load(self, path: Path) -> np.ndarray:
        """int16 (n_samples,), scaled to its peak, without silent ends; empty for a silent clip."""
        if path not in self._decoded:
            # Not `load_recording`: it refuses what is shorter than a word, as a single cough may be.
            try:
                samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
            except (OSError, soundfile.LibsndfileError) as error:
                raise DataError(f"noise clip {path} can't be read ({error}); give wav, flac, ogg or mp3") from error
            if not np.isfinite(samples).all():
                raise DataError(f"noise clip {path} holds samples that are not numbers (NaN or infinite); remove it")
            waveform = resample_poly(samples.mean(1), SAMPLE_RATE_HZ, rate_hz)
            n_frame = int(FADE_S * SAMPLE_RATE_HZ)
            frames = waveform[: len(waveform) // n_frame * n_frame].reshape(-1, n_frame)
            audible = np.flatnonzero(np.sqrt(np.mean(frames**2, 1)) > SILENT_RMS)
            # Many clips are padded with digital silence; looped, it would leave half of a section without noise.
            part = waveform[audible[0] * n_frame : (audible[-1] + 1) * n_frame] if len(audible) else waveform[:0]
            self._decoded[path] = (part * (32767 / np.abs(part).max(initial=1e-9))).astype(np.int16)
        return self._decoded[path]


def vary_body_sound(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A variation of a body sound: another start, 5 % faster or slower, other noise and gain; as long as it was.

    A pure function of its arguments and the generator's state. What is shifted out at the end comes in at the start.
    """
    if not len(waveform):
        return waveform
    speed = float(rng.uniform(*BODY_SPEED))
    places = np.arange(len(waveform)) * speed + rng.uniform(0, len(waveform))
    varied = np.interp(places % len(waveform), np.arange(len(waveform)), waveform)
    varied = add_noise(varied.astype(np.float32), pink_noise(len(waveform), rng), float(rng.uniform(*BODY_SNR_DB)))
    return np.clip(varied * float(10 ** (rng.uniform(-12, 6) / 20)), -1, 1).astype(np.float32)


def degrade(waveform: np.ndarray, rng: np.random.Generator, noise: NoiseClips | None = None) -> np.ndarray:
    """Noise at 0-20 dB, and at times a room, a telephone, another gain or a codec, drawn anew every 20 s.

    A pure function of its arguments and the generator's state.

    Args:
        noise: clips that are mixed in beside pink noise and babble.

    Raises:
        DataError: as `NoiseClips.draw`.
    """
    pink_share, babble_share = (0.6, 0.4) if noise is None else (0.4, 0.3)
    crowd = babble(waveform, rng)
    n_section = int(SECTION_S * SAMPLE_RATE_HZ)
    sections = []
    for start in range(0, len(waveform), n_section):
        section = waveform[start : start + n_section]
        if rng.random() < 0.4:
            section = reverberate(section, float(rng.uniform(0.15, 0.6)), rng)
        kind = rng.random()
        if kind < pink_share:
            background = pink_noise(len(section), rng)
        elif noise is None or kind < pink_share + babble_share:
            background = crowd[start : start + n_section]
        else:
            background = noise.draw(len(section), rng)
        section = add_noise(section, background, float(rng.uniform(*SNR_DB)))
        if rng.random() < 0.2:
            section = telephone(section)
        section = np.clip(section * float(10 ** (rng.uniform(-12, 6) / 20)), -1, 1)
        if rng.random() < CODEC_SHARE:
            name = str(rng.choice(list(CODECS)))
            section = codec(section, name, int(rng.uniform(*BIT_RATES.get(name, (0, 0)))))
        sections.append(section)
    return np.concatenate(sections).astype(np.float32)
