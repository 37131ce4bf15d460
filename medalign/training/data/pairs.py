"""Audio-text pairs for alignment: the rows of a manifest, and the encoder frames that they point into.

A *rendering* is one recording as the student hears it: clean, or degraded by a seeded draw. Where the encoder is frozen,
each rendering goes through it once and its frames are cached as float16, outside the repository. Where it is trained, the
waveforms are cached instead and encoded in every step, a whole chunk at a time, so that neighbours share the work.
"""

import hashlib
import logging
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import DataError
from medalign.core.files import check_regular, reading, replacing
from medalign.models.adapters import revision_of
from medalign.models.frames import frame_slice
from medalign.models.head import STACK, pad_stretches
from medalign.models.student import Student
from medalign.models.whisper_encoder import CHUNK_S, log_mel_of
from medalign.training.data.augmentation import NoiseClips, add_noise, degrade, pink_noise, vary_body_sound
from medalign.training.data.manifest import Row, load_waveform
from medalign.training.recipe import Renderings

log = logging.getLogger(__name__)

N_MELS = 80  # of the log-mel that masked tokens are reconstructed from, whatever the encoder
MEL_FRAMES_PER_S = 100


@dataclass(frozen=True)
class Augmentation:
    """How recordings sound to the student: as they are, degraded by noise, room, telephone and codec, or in pink noise.

    Body sounds, which is what rows with a `report_id` are, are varied instead of degraded: `vary_body_sound`.
    """

    renderings: Renderings = "clean"  # "either" draws clean or degraded for each recording, at half the cost of "both"
    noise: NoiseClips | None = None  # clips that degraded recordings are mixed with
    snr_db: float | None = None  # of pink noise in clean recordings, for measuring
    seed: int = 0


@dataclass(frozen=True)
class Pair:
    """A stretch of one rendering and the words in it."""

    rendering: int  # index into `Pairs.frames`
    start_s: float
    end_s: float
    text: str
    group: str  # consultation or patient: splits and bootstraps never cut through it
    labels: tuple[str, ...] | None = None
    report_id: str | None = None  # equal where texts say the same in whatever words; None: by the text itself


@dataclass(frozen=True)
class Pairs:
    """Pairs and the arrays of the renderings that they point into; each array is memory-mapped."""

    pairs: tuple[Pair, ...]
    frames: tuple[np.ndarray, ...]  # (n_frames, encoder_dim) float16
    log_mel: tuple[np.ndarray, ...] = ()  # (n_tokens, N_MELS) float16, one row per token of the head
    waveforms: tuple[np.ndarray, ...] = ()  # (n_samples,) float16, only kept for encoders that are trained
    frames_per_s: float = 50.0

    @property
    def durations_s(self) -> np.ndarray:
        return np.array([pair.end_s - pair.start_s for pair in self.pairs])

    def stretch(self, index: int) -> Tensor:
        """The frames of one pair, (n_frames, encoder_dim) float32."""
        pair = self.pairs[index]
        return _cut(self.frames[pair.rendering], pair, self.frames_per_s)

    def stretch_range(self, index: int) -> range:
        """The frames of one pair in its rendering."""
        pair = self.pairs[index]
        n_frames = len(self.frames[pair.rendering])
        return range(n_frames)[frame_slice(pair.start_s, pair.end_s, n_frames, self.frames_per_s)]

    def log_mel_of(self, index: int) -> Tensor:
        """The log-mel of one pair, (n_tokens, N_MELS) float32: the token i of the head hears row i."""
        pair = self.pairs[index]
        return _cut(self.log_mel[pair.rendering], pair, self.frames_per_s / STACK)

    def batch(self, indices: Iterable[int]) -> tuple[Tensor, Tensor]:
        """Frames (n, n_frames, encoder_dim) and mask (n, n_frames) of those pairs."""
        return pad_stretches([self.stretch(i) for i in indices])


def _cut(array: np.ndarray, pair: Pair, frames_per_s: float) -> Tensor:
    wanted = frame_slice(pair.start_s, pair.end_s, len(array), frames_per_s)
    return torch.from_numpy(array[wanted].astype(np.float32))


def build_pairs(
    rows: Sequence[Row],
    student: Student,
    cache: Path,
    augmentation: Augmentation = Augmentation(),  # noqa: B008 - it is frozen
    *,
    keep_log_mel: bool = False,
    keep_waveforms: bool = False,
) -> Pairs:
    """All pairs of the rows, each recording in the renderings that are asked for.

    Args:
        keep_log_mel: what masked reconstruction needs beside the frames.
        keep_waveforms: what an encoder in training needs in place of the frames, which are zeros then.

    Raises:
        DataError: the encoder gives frames of a recording that are not finite.
    """
    by_path: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        by_path[row.path].append(row)
    pairs, frames, log_mel, waveforms = [], [], [], []
    for path, in_file in by_path.items():
        for is_degraded in _choices(path, augmentation.renderings):
            is_body_sound = any(row.report_id for row in in_file)
            rendering = _Rendering(path, augmentation, is_degraded, cache, student, is_body_sound)
            if keep_waveforms:
                waveforms.append(rendering.kept_waveform())
                n_frames = student.encoder.n_frames_of(waveforms[-1])
                frames.append(np.broadcast_to(np.zeros(1, np.float16), (n_frames, student.encoder.dim)))  # in no memory
            else:
                frames.append(rendering.frames())
            if keep_log_mel:
                log_mel.append(rendering.log_mel())
            pairs += [Pair(len(frames) - 1, r.start_s, r.end_s, r.text, r.group, r.labels, r.report_id) for r in in_file]
        if len(frames) % 50 < 2:
            log.info("%d renderings of %d recordings, %d pairs", len(frames), len(by_path), len(pairs))
    return Pairs(tuple(pairs), tuple(frames), tuple(log_mel), tuple(waveforms), student.encoder.frames_per_s)


def build_alone(rows: Sequence[Row], student: Student, cache: Path, *, snr_db: float | None = None) -> Pairs:
    """One pair per row, each encoded as a recording of its own, so that no neighbour's words help; with pink noise if asked.

    The frames of one file's rows lie one after another in one array.
    """
    by_path: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        by_path[row.path].append(row)
    pairs, frames = [], []
    for path, in_file in by_path.items():
        places = hashlib.sha256(repr([(r.start_s, r.end_s) for r in in_file]).encode()).hexdigest()[:16]
        name = f"{_key(path, student)}-alone-{places}" + ("" if snr_db is None else f"-{snr_db:g}db0")
        waveform = load_waveform(path)
        stretches = [waveform[int(r.start_s * SAMPLE_RATE_HZ) : int(r.end_s * SAMPLE_RATE_HZ)] for r in in_file]
        lengths = [max(1, round(len(s) / SAMPLE_RATE_HZ * student.encoder.frames_per_s)) for s in stretches]

        def encode(stretches: list[np.ndarray] = stretches, lengths: list[int] = lengths) -> np.ndarray:
            rng = np.random.default_rng(0)
            noisy = [s if snr_db is None else add_noise(s, pink_noise(len(s), rng), snr_db) for s in stretches]
            return np.concatenate([student.frames(h)[:n].cpu().numpy() for h, n in zip(noisy, lengths, strict=True)])

        frames.append(_cached(cache / f"{name}.npy", encode))
        ends = np.cumsum(lengths) / student.encoder.frames_per_s
        starts = ends - np.array(lengths) / student.encoder.frames_per_s
        pairs += [
            Pair(len(frames) - 1, float(a), float(b), r.text, r.group, r.labels, r.report_id)
            for a, b, r in zip(starts, ends, in_file, strict=True)
        ]
        log.info("%d utterances of %d encoded alone", len(pairs), len(rows))
    return Pairs(tuple(pairs), tuple(frames), frames_per_s=student.encoder.frames_per_s)


def _choices(path: Path, renderings: Renderings) -> tuple[bool, ...]:
    """Whether to degrade each rendering of a recording; drawn from the audio alone, so that the order changes nothing."""
    if renderings == "either":
        return (bool(int(content_key(path)[8:12], 16) % 2),)
    return (False,) if renderings == "clean" else (False, True)


@dataclass(frozen=True)
class _Rendering:
    """One recording as the student hears it; every product is computed once and kept."""

    path: Path
    augmentation: Augmentation
    is_degraded: bool
    cache: Path
    student: Student
    is_body_sound: bool = False

    @property
    def _name(self) -> str:
        if self.is_degraded and self.is_body_sound:
            return f"varied{self.augmentation.seed}"
        if self.is_degraded:
            noise = self.augmentation.noise
            clips = "" if noise is None else f"-{zlib.crc32(repr(noise.digests).encode()):08x}"
            return f"degraded{self.augmentation.seed}{clips}"
        return "clean" if self.augmentation.snr_db is None else f"pink{self.augmentation.snr_db:g}db"

    def waveform(self) -> np.ndarray:
        waveform = load_waveform(self.path)
        if self.is_degraded:
            rng = _drawn_from(self.path, self.augmentation.seed)
            if self.is_body_sound:
                return vary_body_sound(waveform, rng)
            return degrade(waveform, rng, self.augmentation.noise)
        if self.augmentation.snr_db is not None:
            return in_pink_noise(waveform, self.path, self.augmentation.snr_db)
        return waveform

    def frames(self) -> np.ndarray:
        """(n_frames, dim) float16. Raises DataError if one is not finite."""
        name = f"{_key(self.path, self.student)}-{self._name}.npy"
        return _cached(self.cache / name, self._encode)

    def _encode(self) -> np.ndarray:
        frames = self.student.frames(self.waveform()).float().cpu().numpy()
        if not (np.abs(frames) <= np.finfo(np.float16).max).all():  # nor is NaN
            raise DataError(f"the encoder's frames of {self.path} are not finite in float16; remove it, or change --encoder")
        return frames

    def log_mel(self) -> np.ndarray:
        tokens_per_s = self.student.encoder.frames_per_s / STACK
        name = f"{content_key(self.path)}-{self._name}-mel{tokens_per_s:g}.npy"
        return _cached(self.cache / name, lambda: token_log_mel(self.waveform(), tokens_per_s))

    def kept_waveform(self) -> np.ndarray:
        return _cached(self.cache / f"{content_key(self.path)}-{self._name}-waveform.npy", self.waveform)


def recording_frames(path: Path, student: Student, cache: Path, *, snr_db: float | None = None) -> np.ndarray:
    """The student's frames of a whole recording, float32 (n_frames, dim), clean or in pink noise; kept in `cache`."""
    rendering = _Rendering(path, Augmentation(snr_db=snr_db), False, cache / "frames", student)
    return np.array(rendering.frames(), dtype=np.float32)


def in_pink_noise(waveform: np.ndarray, path: Path, snr_db: float) -> np.ndarray:
    """The recording with pink noise at that ratio, in dB: always the same noise under the same file."""
    return add_noise(waveform, pink_noise(len(waveform), _drawn_from(path)), snr_db)


def _drawn_from(path: Path, seed: int = 0) -> np.random.Generator:
    """The draw depends on the audio alone, so the order of a manifest changes nothing."""
    return np.random.default_rng([seed, int(content_key(path)[:8], 16)])


def token_log_mel(waveform: np.ndarray, tokens_per_s: float) -> np.ndarray:
    """Whisper's log-mel averaged over each token's time, (n_tokens, N_MELS)."""
    step = CHUNK_S * SAMPLE_RATE_HZ
    chunks = [waveform[i : i + step] for i in range(0, len(waveform), step)]
    mel = torch.cat([log_mel_of([chunk], N_MELS)[0] for chunk in chunks], 1)  # (N_MELS, n) at 100 frames a second
    mel = mel[:, : max(1, len(waveform) * MEL_FRAMES_PER_S // SAMPLE_RATE_HZ)]
    n_tokens = max(1, round(mel.shape[1] * tokens_per_s / MEL_FRAMES_PER_S))
    return F.adaptive_avg_pool1d(mel, n_tokens).T.numpy()


@cache
def content_key(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _key(path: Path, student: Student) -> str:
    return f"{content_key(path)}-{frames_key(student)}"


def frames_key(student: Student) -> str:
    """What a student's frames depend on beside the sound: the encoder as it was trained, and its precision."""
    dtype = str(next(student.encoder.parameters()).dtype).removeprefix("torch.")
    return f"{revision_of(student.encoder, student.config.adapter)}-{dtype}"


def _cached(path: Path, compute: Callable[[], np.ndarray]) -> np.ndarray:
    if not path.exists():
        with replacing(path) as file:
            np.save(file, compute().astype(np.float16))
    remedy = "remove it, and it is computed anew"
    check_regular(path, error=DataError, remedy=remedy)
    with reading(f"{path} is no array of this cache", error=DataError, remedy=remedy):
        kept = np.load(path, mmap_mode="r", allow_pickle=False)
        if kept.dtype != np.float16:
            raise TypeError(f"it holds {kept.dtype}")
    return kept
