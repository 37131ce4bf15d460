"""The student: a pre-trained audio encoder and a trained head that carries what it hears into the teacher's space.

Conventions: waveforms are float32 (n_samples,) at 16 kHz; embeddings are unit vectors of the teacher's width; times are
seconds. One pass of the encoder covers a whole recording; any stretch of it is then pooled from the frames. The same
recording gives the same embeddings, alone or in a batch: there is no random crop, and every sample is used.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor

from medalign.core.analysis import ModelInfo
from medalign.core.assets import shipped
from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.core.errors import AudioError, CheckpointError
from medalign.core.files import write_tensors
from medalign.core.similarity import similarity
from medalign.core.weights import DEFAULT_STUDENT, REVISION_LENGTH, resolve, sha256_of, upload_folder, with_files
from medalign.models.adapters import AdapterConfig, adapt, load_trained_state, trained_state
from medalign.models.audio_encoder import AudioEncoder
from medalign.models.device import choose_device, half_precision
from medalign.models.encoders import WhisperAudioEncoder, load_audio_encoder
from medalign.models.frames import Chunks, embedded, frame_slice, frames_so_far, hidden_states
from medalign.models.head import AlignmentHead, HeadConfig, HeadEnsemble, make_head
from medalign.models.kernel_head import KernelHead
from medalign.models.pretrained import load_state, read_state
from medalign.models.student_config import (
    CONFIG_FILE,
    HEAD_FILE,
    MAX_CLIP_S,
    REMEDY,
    UNALIGNED,
    StudentConfig,
    load_student_encoder,
    read_config,
    student_weights,
)

Head = AlignmentHead | KernelHead | HeadEnsemble
GPU_BATCH = 16  # chunks at once; on a CPU one after the other is a tenth faster

UNALIGNED_SEED = 0  # of its head
ENCODER_FILE = "encoder.safetensors"


class Student:
    """Audio to embeddings in the teacher's space.

    >>> from medalign import Teacher, load_recording
    >>> from medalign.core.assets import EXAMPLES
    >>> student, teacher = Student.from_pretrained(), Teacher()
    >>> audio = [load_recording(EXAMPLES / f"{name}.flac").waveform for name in ("chest-pain", "child-with-earache")]
    >>> embeddings = student.encode_audio(audio, 16_000)
    >>> embeddings.shape
    (2, 384)
    >>> student.similarity(embeddings, teacher.encode(["It hurts in my chest.", "My ear hurts."])).argmax(1)
    array([0, 1])
    """

    def __init__(
        self,
        config: StudentConfig,
        head: Head,
        encoder: AudioEncoder,
        *,
        name: str,
        revision: str,
        fitted_in: Path | None = None,  # where calibration and the like lie: its folder; unaligned, that of its counterpart
        is_aligned: bool = True,  # whether its embeddings are to mean anything in the teacher's space
    ):
        self.config, self.fitted_in, self.is_aligned = config, fitted_in, is_aligned
        self.folder = fitted_in if is_aligned else None  # where it was loaded from
        self.saved_to: Path | None = None
        self.head = head.eval()
        self.encoder = encoder.eval()
        self.info = ModelInfo(name, revision)

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike[str] = DEFAULT_STUDENT, *, device: str = "cpu") -> "Student":
        """A shipped student, a checkpoint folder, or a Hub repository; "unaligned" is the shipped one before its alignment.

        Args:
            device: auto, cpu or cuda.

        Raises:
            WeightsError: nothing is found under that name, or the device isn't there.
            CheckpointError: the files are not a student, or don't fit together; the message lists the keys.
        """
        if name == UNALIGNED:
            return cls.unaligned(device=device)
        device, weights = choose_device(device), student_weights(name)
        name = weights.name
        config = read_config(weights.folder)
        encoder = load_student_encoder(config, name)
        if config.n_members == 1:
            head: Head = make_head(config.head)
        else:
            head = HeadEnsemble(config.head, config.n_members, config.member_weights)
        path = weights.folder / HEAD_FILE
        state = read_state(path, remedy=REMEDY)
        # Heads of version 0.1 hold a projection of single tokens, which nothing but a loss that is gone has used.
        state = {key: tensor for key, tensor in state.items() if "project_token" not in key}
        load_state(head, state, str(path), remedy=REMEDY)
        adapt(encoder, config.adapter)
        revision = sha256_of(path)[:REVISION_LENGTH]
        if config.adapter.kind != "frozen":
            load_trained_state(encoder, read_state(weights.folder / ENCODER_FILE, remedy=REMEDY))
            revision = with_files(revision, {ENCODER_FILE: sha256_of(weights.folder / ENCODER_FILE)})
        student = cls(config, head, encoder, name=Path(name).name, revision=revision, fitted_in=weights.folder)
        return student._listening_on(device)

    @classmethod
    def unaligned(cls, *, device: str = "cpu") -> "Student":
        """The shipped student before its alignment: the same encoder, and a head that has learnt nothing.

        It is there to be compared with, so that only the alignment differs: percentiles, probabilities and thresholds come
        from what was fitted for the shipped student. They mean nothing by construction, for its embeddings are noise in the
        teacher's space. It lies in no folder; the same seed gives the same head, and the revision is a hash of it.
        """
        device, weights = choose_device(device), resolve(str(shipped(DEFAULT_STUDENT)), weight_files=(HEAD_FILE,))
        config = read_config(weights.folder)
        encoder = load_student_encoder(config, DEFAULT_STUDENT)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(UNALIGNED_SEED)
            head = AlignmentHead(config.head)
        config = replace(config, n_members=1, member_weights=(), adapter=AdapterConfig())
        revision = f"{UNALIGNED}-{hashlib.sha256(save(head.state_dict())).hexdigest()[:REVISION_LENGTH]}"
        student = cls(config, head, encoder, name=UNALIGNED, revision=revision, fitted_in=weights.folder, is_aligned=False)
        return student._listening_on(device)

    @classmethod
    def untrained(
        cls,
        encoder_name: str,
        teacher: ModelInfo,
        embed_dim: int,
        *,
        encoder_kind: str | None = None,
        adapter: AdapterConfig | None = None,
        **head_options: Any,
    ) -> "Student":
        """A new student on the CPU: a pre-trained encoder, and a head that has learnt nothing yet.

        Args:
            teacher, embed_dim: whose space it will speak, and the width of that space.
            encoder_kind: a key of `ENCODERS`; None decides by the encoder's files.
            adapter: what is going to be trained of the encoder; None is nothing.
            head_options: fields of `HeadConfig` other than its defaults.

        Raises:
            WeightsError, CheckpointError: as `load_audio_encoder` and `adapt`.
        """
        encoder = load_audio_encoder(encoder_name, encoder_kind)
        config = StudentConfig(
            encoder=encoder_name,
            encoder_kind=encoder.kind,
            encoder_revision=encoder.revision,
            teacher=teacher.name,
            teacher_revision=teacher.revision,
            head=HeadConfig(encoder_dim=encoder.dim, embed_dim=embed_dim, n_parts=encoder.n_parts, **head_options),
            adapter=adapter or AdapterConfig(),
        )
        adapt(encoder, config.adapter)
        return cls(config, make_head(config.head), encoder, name="untrained", revision="")

    def writable_folder(self) -> Path:
        """Where what is fitted for this student goes. Raises CheckpointError if it lies in no folder of its own."""
        if self.folder is None:
            what = f"student '{self.info.name}' lies in no folder that a fit could be written to"
            raise CheckpointError(f"{what}; give a checkpoint folder")
        return self.folder

    def save_pretrained(self, folder: Path) -> None:
        """Write `config.json`, the head as `model.safetensors`, and what was trained of the encoder, if anything, as
        `encoder.safetensors`; the frozen rest of the encoder is named, not copied."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_text(json.dumps(asdict(self.config), indent=2) + "\n")
        # An ensemble is finished, only ever listens, and was rounded when it was joined: half the bytes hold it.
        dtype = torch.float32 if self.config.n_members == 1 else torch.float16
        write_tensors({k: v.to("cpu", dtype).contiguous() for k, v in self.head.state_dict().items()}, folder / HEAD_FILE)
        if self.config.adapter.kind == "frozen":
            (folder / ENCODER_FILE).unlink(missing_ok=True)  # of a student saved here before
        else:
            write_tensors({k: v.contiguous() for k, v in trained_state(self.encoder).items()}, folder / ENCODER_FILE)
        self.saved_to = folder

    def push_to_hub(self, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
        """Upload the folder it was last saved to, or else loaded from, to the Hub; the address of the upload.

        Raises:
            CheckpointError: the student is in no folder yet.
            WeightsError: offline, a file is missing, or the Hub refuses; see `weights.upload_folder`.
        """
        folder = self.saved_to or self.folder
        if folder is None:
            raise CheckpointError(f"student '{self.info.name}' is in no folder yet; call save_pretrained(folder) first")
        return upload_folder(folder, repo_id, private=private, token=token)

    def to(self, device: str) -> "Student":
        self.head.to(device)
        self.encoder.to(device)
        return self

    def _listening_on(self, device: str) -> "Student":
        """On a GPU with its encoder in half precision; the head is small, and what is fitted rests on it."""
        if device != "cpu":
            self.encoder.to(half_precision())
        return self.to(device)

    @torch.inference_mode()
    def frames(self, waveform: Float[np.ndarray, " samples"]) -> Float[Tensor, "frames encoder_dim"]:
        """Encoder hidden states of the whole recording, float32 on the CPU, `encoder.frames_per_s` of them."""
        *_, frames = self.frames_so_far(waveform)
        return frames

    def frames_so_far(self, waveform: Float[np.ndarray, " samples"], chunks: Chunks | None = None) -> Iterator[Tensor]:
        """The first of those frames, then more and more of them; the last time all. Each is a view of the same memory.

        Args:
            chunks: `Chunks.of` the encoder, where the outer frames of each are to be kept.
        """
        return frames_so_far(self.encoder, waveform, self._n_at_once, chunks)

    def hears_as(self, recogniser: ModelInfo) -> bool:
        """Whether its encoder gives what the recogniser's gives: the same weights, both in float32, as they are on a CPU."""
        on_cpu = next(self.encoder.parameters()).device.type == "cpu"
        is_whisper = self.config.encoder_kind == WhisperAudioEncoder.kind and self.config.adapter.kind == "frozen"
        return on_cpu and is_whisper and self.encoder.revision == recogniser.revision

    @torch.inference_mode()
    def embed(
        self, frames: Float[Tensor, "frames encoder_dim"], stretches_s: Sequence[tuple[float, float]]
    ) -> Float[np.ndarray, "n dim"]:
        """Embeddings (n, embed_dim) of stretches (start_s, end_s) of a recording, from its `frames`."""
        rate = self.encoder.frames_per_s
        stretches = [frames[frame_slice(start_s, end_s, len(frames), rate)] for start_s, end_s in stretches_s]
        return embedded(self.head, stretches).numpy()

    def windows(self, duration_s: float) -> list[tuple[float, float]]:
        """Equal windows that cover a recording; the last one ends with it and may be shorter."""
        window_s, hop_s = self.config.window_s, self.config.hop_s
        n_windows = 1 + max(0, math.ceil((duration_s - window_s) / hop_s))
        return [(i * hop_s, min(i * hop_s + window_s, duration_s)) for i in range(n_windows)]

    similarity = staticmethod(similarity)

    def encode_audio(self, audio: Iterable[np.ndarray], sample_rate_hz: int = SAMPLE_RATE_HZ) -> Float[np.ndarray, "n dim"]:
        """One unit vector per recording, (n, embed_dim), in their order.

        Args:
            audio: samples of each, as `load_recording` takes them.
            sample_rate_hz: of all of them.

        Raises:
            AudioError: one array in place of a list, or samples that `load_recording` refuses; the message says which.
        """
        listed = list(audio) if isinstance(audio, Iterable) else [audio]
        if odd := [f"audio {i} is a {type(a).__name__}" for i, a in enumerate(listed) if not isinstance(a, np.ndarray)]:
            raise AudioError(f"{odd[0]}; give a list of arrays of samples, and load files by `load_recording`")
        recordings = (load_recording(a, sample_rate_hz=sample_rate_hz, name=f"audio {i}") for i, a in enumerate(listed))
        return self.encode([recording.waveform for recording in recordings])

    @torch.inference_mode()
    def encode(self, waveforms: Sequence[np.ndarray]) -> Float[np.ndarray, "n dim"]:
        """The same of waveforms, float32 (n_samples,) at 16 kHz; long ones are the mean over their windows."""
        rows = [np.zeros((0, self.config.head.embed_dim), np.float32)]
        for first in range(0, len(waveforms), self._n_at_once):
            batch = waveforms[first : first + self._n_at_once]
            for waveform, frames in zip(batch, self._frames_of(batch), strict=True):
                duration_s = len(waveform) / SAMPLE_RATE_HZ
                stretches = [(0.0, duration_s)] if duration_s <= MAX_CLIP_S else self.windows(duration_s)
                mean = self.embed(frames, stretches).mean(0, keepdims=True)
                rows.append(mean / np.linalg.norm(mean))
        return np.concatenate(rows)

    def _frames_of(self, waveforms: Sequence[np.ndarray]) -> list[Tensor]:
        """`frames` of each, the encoder run once if it takes them whole."""
        longest = self.encoder.chunk_s * SAMPLE_RATE_HZ
        if len(waveforms) == 1 or max(map(len, waveforms)) > longest:
            return [self.frames(waveform) for waveform in waveforms]
        hidden = [h for batch in hidden_states(self.encoder, waveforms, self._n_at_once) for h in batch]
        return [h[: self.encoder.n_frames_of(waveform)] for h, waveform in zip(hidden, waveforms, strict=True)]

    @property
    def _n_at_once(self) -> int:
        return 1 if next(self.encoder.parameters()).device.type == "cpu" else GPU_BATCH
