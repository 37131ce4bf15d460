"""What a student is made of, as its `config.json` says, checked before anything is loaded."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from medalign.core.assets import shipped
from medalign.core.errors import CheckpointError
from medalign.core.files import read_json
from medalign.core.weights import BODY_SOUND_STUDENT, DEFAULT_STUDENT, Weights, is_revision, model_name, resolve
from medalign.models.adapter_config import AdapterConfig
from medalign.models.audio_encoder import AudioEncoder
from medalign.models.encoders import load_audio_encoder
from medalign.models.head import HeadConfig

MAX_CLIP_S = 15.0  # the longest stretch pooled at once, as in training; longer ones are averaged over windows
MIN_HOP_S = 0.1
MAX_MEMBERS = 64
CONFIG_FILE, HEAD_FILE = "config.json", "model.safetensors"
UNALIGNED = "unaligned"  # the shipped student before its alignment, see `Student.unaligned`
REMEDY = "give a folder written by `medalign train`"


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """Everything needed to rebuild a student; what was trained of it lies beside."""

    encoder: str  # the audio model, as `load_audio_encoder` takes it
    encoder_kind: str = "whisper"  # a key of `ENCODERS`
    encoder_revision: str
    teacher: str  # the language model whose space it speaks
    teacher_revision: str
    head: HeadConfig
    n_members: int = 1  # heads trained apart, whose embeddings are averaged
    member_weights: tuple[float, ...] = ()  # of each in the mean; all alike if empty
    adapter: AdapterConfig = field(default_factory=AdapterConfig)  # what was trained of the encoder
    window_s: float = 6.0  # a sentence or two of conversation
    hop_s: float = 3.0

    def __post_init__(self) -> None:
        """Raises CheckpointError: windows or members that can't be."""
        if not MIN_HOP_S <= self.hop_s <= self.window_s <= MAX_CLIP_S:
            raise CheckpointError(
                f"windows of {self.window_s} s every {self.hop_s} s can't cover a recording; "
                f"give a window of at most {MAX_CLIP_S:.0f} s and a hop of at least {MIN_HOP_S} s that is no longer"
            )
        weights = self.member_weights or (1.0,) * self.n_members
        if not 1 <= self.n_members == len(weights) <= MAX_MEMBERS or min(weights) <= 0:
            raise CheckpointError(
                f"{self.n_members} members with weights {self.member_weights} are no ensemble; "
                f"give 1 to {MAX_MEMBERS}, each with a weight above 0"
            )


def student_weights(name: str | os.PathLike[str]) -> Weights:
    """The files of a student by its name; "unaligned" is made of the shipped one's. Nothing is loaded. Raises WeightsError."""
    name = model_name(name)
    names = {"default": DEFAULT_STUDENT, UNALIGNED: DEFAULT_STUDENT}
    if names.get(name, name) in (DEFAULT_STUDENT, BODY_SOUND_STUDENT):
        name = str(shipped(names.get(name, name)))
    return resolve(name, weight_files=(HEAD_FILE,), known=("default", UNALIGNED, BODY_SOUND_STUDENT))


def is_student(folder: Path) -> bool:
    """Whether a model's folder, as `resolve` gives it, is a student's."""
    try:
        return '"teacher_revision"' in (folder / CONFIG_FILE).read_text(errors="replace")
    except OSError:
        return False


def load_student_encoder(config: StudentConfig, name: str) -> AudioEncoder:
    """The encoder that the student called `name` was trained on, before any training."""
    encoder = load_audio_encoder(config.encoder, config.encoder_kind)
    if not is_revision(config.encoder_revision, encoder.revision):
        raise CheckpointError(
            f"student '{name}' was trained on encoder '{config.encoder}' revision {config.encoder_revision}, "
            f"this one is {encoder.revision}; install the same weights or train again"
        )
    if encoder.dim != config.head.encoder_dim:
        raise CheckpointError(
            f"student '{name}' has a head for hidden states {config.head.encoder_dim} wide, encoder '{config.encoder}' "
            f"gives {encoder.dim}; correct encoder_dim in its {CONFIG_FILE} or train again"
        )
    return encoder


def read_config(folder: Path) -> StudentConfig:
    """Raises CheckpointError: the folder holds no student's configuration."""
    return read_json(folder / CONFIG_FILE, StudentConfig, remedy=REMEDY)
