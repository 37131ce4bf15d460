"""Features of sounds by name, for probes: a source gives each sound a vector, kept on disk by what the sound holds.

Sources: `logmel` (no model), `unaligned` (an encoder as students hear through it, before any alignment), `best-unaligned`
(several readouts of one, of which a probe chooses), `opensmile`, and students by name or folder.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.signal import stft
from transformers.audio_utils import mel_filter_bank

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError
from medalign.core.files import check_regular, reading, replacing
from medalign.core.weights import sha256_of
from medalign.models.audio_encoder import AudioEncoder
from medalign.models.encoders import WhisperAudioEncoder, load_audio_encoder
from medalign.models.readout import Readout, embed_readout
from medalign.models.student import Student
from medalign.training.data.manifest import load_waveform

BAND_HZ = {"heart": (20.0, 1000.0), "lung": (50.0, 2000.0), "cough": (50.0, 8000.0), "everyday": (50.0, 8000.0)}
N_MELS, WINDOW = 40, 1024  # bands, and samples of a window: 64 ms, for bands that lie low
# What students hear of an encoder: its last layer, a short sound amid silence.
AS_STUDENTS = Readout(layers="last", statistics=("mean",), pad=True)
SPEEDS = (1.0, 2.0, 4.0)  # of the readouts that `best-unaligned` chooses of, all layers and the last of each
SAVED_EVERY = 64  # sounds, so that a killed run loses little
OPENSMILE = (
    "the baseline opensmile needs the package of that name, which is licensed for non-commercial use only: if that is your "
    "use, `pip install opensmile`; else leave this baseline out"
)
Embed = Callable[[Sequence[np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Source:
    """Something that gives each sound a vector."""

    name: str
    key: str  # all that the vectors depend on beside the sound
    embed: Embed  # waveforms, float32 at 16 kHz -> (n, dim)


@dataclass(frozen=True)
class Clips:
    """Sounds in files, each to be heard from its start."""

    paths: tuple[Path, ...]
    crop_s: float | None = None  # at most so much of each

    def __len__(self) -> int:
        return len(self.paths)

    def digests(self) -> list[str]:
        return [sha256_of(path) for path in self.paths]

    def waveform(self, i: int) -> np.ndarray:
        waveform = load_waveform(self.paths[i])
        return waveform if self.crop_s is None else waveform[: round(self.crop_s * SAMPLE_RATE_HZ)]


def features_of(source: Source, clips: Clips, cache: Path) -> Float[np.ndarray, "n dim"]:
    """Row i belongs to clip i. Equal sounds are embedded once; the file in `cache` holds vectors and digests, no sound."""
    name = hashlib.sha256(f"{source.key}, first {clips.crop_s or 'all'} s".encode()).hexdigest()[:24]
    path = cache / "sound-features" / f"{name}.npz"
    kept: dict[str, np.ndarray] = {}
    if path.exists():
        remedy = "remove it, and it is computed anew"
        check_regular(path, error=DataError, remedy=remedy)
        with reading(f"{path} holds no features", error=DataError, remedy=remedy), np.load(path) as stored:
            kept = dict(zip(stored["digests"].tolist(), stored["features"], strict=True))
    digests = clips.digests()
    new = {digest: i for i, digest in enumerate(digests) if digest not in kept}
    for first in range(0, len(new), SAVED_EVERY):
        some = list(new)[first : first + SAVED_EVERY]
        kept |= dict(zip(some, source.embed([clips.waveform(new[digest]) for digest in some]), strict=True))
        with replacing(path) as file:
            np.savez(file, digests=np.array(list(kept)), features=np.stack(list(kept.values())).astype(np.float32))
    return np.stack([kept[digest] for digest in digests])


def log_mel_source(kind: str) -> Source:
    """Mean and standard deviation over time of a log-mel spectrogram of the band in which such sounds lie."""
    if kind not in BAND_HZ:
        raise DataError(f"kind '{kind}' is unknown; use one of {', '.join(BAND_HZ)}")
    lowest, highest = BAND_HZ[kind]
    filters = mel_filter_bank(
        WINDOW // 2 + 1, N_MELS, lowest, highest, SAMPLE_RATE_HZ, mel_scale="kaldi", triangularize_in_mel_space=True
    )

    def embed(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        rows = []
        for waveform in waveforms:
            filled = np.pad(waveform, (0, max(0, WINDOW - len(waveform))))
            _, _, spectrum = stft(filled, SAMPLE_RATE_HZ, nperseg=WINDOW, noverlap=WINDOW // 2)
            log_mel = np.log10(np.maximum(filters.T @ np.abs(spectrum) ** 2, 1e-12))  # (mels, frames)
            rows.append(np.concatenate([log_mel.mean(1), log_mel.std(1)]))
        return np.stack(rows)

    return Source("logmel", f"log-mel {N_MELS} bands {lowest:g}-{highest:g} Hz, window {WINDOW}", embed)


def encoder_source(name: str, encoder: AudioEncoder, readout: Readout = AS_STUDENTS, *, trained: str = "") -> Source:
    """A readout of an encoder; by default what students hear of it.

    Args:
        trained: revision of what an alignment made of the encoder.
    """
    key = f"{encoder.kind} {encoder.name} {encoder.revision} {trained} {readout}"
    return Source(name, key, lambda waveforms: embed_readout(encoder, waveforms, readout))


def best_unaligned_features(clips: Clips, cache: Path, encoders: Sequence[tuple[str, str | None]]) -> dict[str, np.ndarray]:
    """Features of each readout that a probe may choose, by what it is.

    Args:
        encoders: names and kinds; those that are no Whisper are made for the sounds as they are, so only played at 1x.
    """
    found: dict[str, np.ndarray] = {}
    for name, kind in encoders:
        encoder = load_audio_encoder(name, kind)
        for speed in SPEEDS if encoder.kind == WhisperAudioEncoder.kind else (1.0,):
            readout = Readout(speed=speed)
            features = features_of(encoder_source("best-unaligned", encoder, readout), clips, cache)
            found[f"{name}, all layers, {speed:g}x"] = features
            found[f"{name}, last layer, {speed:g}x"] = features[:, -len(readout.statistics) * encoder.dim :]
    return found


def trained_encoder_features(student: Student, clips: Clips, cache: Path) -> dict[str, np.ndarray]:
    """Of the encoder that an alignment has trained: as the student's head hears it, and all its layers."""
    found = {}
    for what, readout in (("last layer", AS_STUDENTS), ("all layers", Readout())):
        source = encoder_source(what, student.encoder, readout, trained=student.info.revision)
        found[what] = features_of(source, clips, cache)
    return found


def person_of(row: Mapping[str, str], group: str) -> str:
    """Whose sound a row is; empty if nobody knows: `medalign reports` then gives each recording a group of its own."""
    person = row.get(group) or ""
    return "" if person == row["path"] else person


def opensmile_source() -> Source:
    """The 88 functionals of eGeMAPS. Raises DataError if opensmile is not installed."""
    try:
        import opensmile
    except ModuleNotFoundError as error:
        raise DataError(OPENSMILE) from error
    smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals)

    def embed(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        rows = [smile.process_signal(waveform, SAMPLE_RATE_HZ).to_numpy()[0] for waveform in waveforms]
        return np.nan_to_num(np.stack(rows))

    return Source("opensmile", f"opensmile {opensmile.__version__} eGeMAPSv02", embed)
