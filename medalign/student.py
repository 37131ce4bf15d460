"""The student: Whisper's frozen encoder and a trained head that carries what it hears into the teacher's space.

Conventions: waveforms are float32 (n_samples,) at 16 kHz; embeddings are unit vectors of the teacher's width; times are
seconds. One pass of the encoder covers a whole recording; any stretch of it is then pooled from the frames. The same
recording gives the same embeddings, alone or in a batch: there is no random crop, and every sample is used.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medalign.analysis import ModelInfo
from medalign.audio import SAMPLE_RATE_HZ
from medalign.errors import CheckpointError
from medalign.weights import REVISION_LENGTH, Weights, resolve, sha256_of
from medalign.whisper_encoder import CHUNK_S, FRAMES_PER_S, load_encoder, log_mel_of

WHISPER_FILES = ("model.bin", "model.safetensors")
MARGIN_S = 3  # frames this close to an inner edge of a chunk lack context; the neighbouring chunk has it
STACK = 4  # encoder frames joined into one token: 50 a second becomes 12.5, about one a syllable
MAX_CLIP_S = 15.0  # the longest stretch pooled at once, as in training; longer ones are averaged over windows
ENCODER_BATCH = 4  # chunks; more is no faster on a CPU
HEAD_BATCH = 64  # stretches

CHECKPOINTS = Path(__file__).parents[1] / "assets" / "checkpoints"
DEFAULT_STUDENT = "whisper-tiny.en-minilm"


@dataclass(frozen=True)
class StudentConfig:
    """Everything needed to rebuild a student; the head's weights lie beside it."""

    encoder: str  # the Whisper whose encoder is used
    encoder_revision: str
    teacher: str  # the language model whose space it speaks
    teacher_revision: str
    encoder_dim: int  # width of the encoder's hidden states
    embed_dim: int  # width of the teacher's space
    model_dim: int = 320  # width of the head
    n_layers: int = 2
    n_heads: int = 5
    n_pools: int = 4  # attention pools, each free to look at another part of the stretch
    dropout: float = 0.1
    window_s: float = 6.0  # a sentence or two of conversation
    hop_s: float = 3.0


class _Block(nn.Module):
    """A pre-norm transformer block with padding masked out, after a short convolution that knows the order of frames."""

    def __init__(self, config: StudentConfig):
        super().__init__()
        d = config.model_dim
        self.n_heads, self.dropout = config.n_heads, config.dropout
        self.conv_norm, self.attention_norm, self.mlp_norm = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.conv = nn.Conv1d(d, d, kernel_size=5, padding=2, groups=d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, 3 * d), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(3 * d, d))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (batch, length, d), mask (batch, length) True where there is sound."""
        batch, length, d = x.shape
        # Padding is zeroed before it is convolved, so that a stretch doesn't depend on its batch.
        conv_in = self.conv_norm(x) * mask[..., None]
        x = x + F.gelu(self.conv(conv_in.transpose(1, 2)).transpose(1, 2))
        q, k, v = self.qkv(self.attention_norm(x)).view(batch, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask[:, None, None, :], dropout_p=self.dropout if self.training else 0.0
        )
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, d))
        return x + self.mlp(self.mlp_norm(x))


class AlignmentHead(nn.Module):
    """Encoder frames of a stretch of audio to one unit vector in the teacher's space."""

    def __init__(self, config: StudentConfig):
        super().__init__()
        self.frame_norm = nn.LayerNorm(config.encoder_dim)
        self.stack = nn.Linear(STACK * config.encoder_dim, config.model_dim)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.model_dim)
        self.pool_scores = nn.Linear(config.model_dim, config.n_pools)
        self.project = nn.Linear(config.n_pools * config.model_dim, config.embed_dim)

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """hidden_states (batch, n_frames, encoder_dim), n_frames a multiple of STACK; mask (batch, n_frames) bool."""
        batch, n_frames, _ = hidden_states.shape
        x = self.frame_norm(hidden_states) * mask[..., None]
        x = self.stack(x.reshape(batch, n_frames // STACK, -1))  # (batch, length, model_dim)
        token_mask = mask.view(batch, -1, STACK).any(2)  # (batch, length)
        for block in self.blocks:
            x = block(x, token_mask)
        x = self.norm(x)
        scores = self.pool_scores(x).masked_fill(~token_mask[..., None], -torch.inf)  # (batch, length, n_pools)
        pooled = torch.einsum("blp,bld->bpd", scores.softmax(1), x).flatten(1)
        return F.normalize(self.project(pooled), dim=-1)


def pad_stretches(stretches: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Stretches of frames (n_frames_i, d) as one batch (n, n_frames, d), a multiple of STACK long, and its mask."""
    n_frames = max(math.ceil(len(s) / STACK) * STACK for s in stretches)
    batch = stretches[0].new_zeros(len(stretches), n_frames, stretches[0].shape[1], dtype=torch.float32)
    mask = torch.zeros(len(stretches), n_frames, dtype=torch.bool, device=batch.device)
    for i, stretch in enumerate(stretches):
        batch[i, : len(stretch)], mask[i, : len(stretch)] = stretch, True
    return batch, mask


class Student:
    """Audio to embeddings in the teacher's space."""

    def __init__(self, config: StudentConfig, head: AlignmentHead, encoder: nn.Module, *, name: str, revision: str):
        self.config = config
        self.folder: Path | None = None  # where it was loaded from
        self.head = head.eval()
        self.encoder = encoder
        self.info = ModelInfo(name, revision)

    @classmethod
    def from_pretrained(cls, name: str = DEFAULT_STUDENT, *, device: str = "cpu") -> "Student":
        """A shipped student, a checkpoint folder, or a Hub repository.

        Raises:
            WeightsError: nothing is found under that name.
            CheckpointError: the files are not a student, or don't fit together; the message lists the keys.
        """
        if name in ("default", DEFAULT_STUDENT):
            name = str(CHECKPOINTS / DEFAULT_STUDENT)
        weights = resolve(name, weight_files=("model.safetensors",))
        config = _read_config(weights)
        encoder_weights = resolve(config.encoder, weight_files=WHISPER_FILES)
        if encoder_weights.revision != config.encoder_revision:
            raise CheckpointError(
                f"student '{name}' was trained on encoder '{config.encoder}' revision {config.encoder_revision}, "
                f"this one is {encoder_weights.revision}; install the same weights or train again"
            )
        head = AlignmentHead(config)
        _load_strictly(head, weights.folder / "model.safetensors")
        encoder = load_encoder(encoder_weights.folder)
        revision = sha256_of(weights.folder / "model.safetensors")[:REVISION_LENGTH]
        student = cls(config, head, encoder, name=Path(name).name, revision=revision)
        student.folder = weights.folder
        return student.to(device)

    def save_pretrained(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors`; the frozen encoder is named, not copied."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=2) + "\n")
        save_file({k: v.contiguous().cpu() for k, v in self.head.state_dict().items()}, folder / "model.safetensors")

    def to(self, device: str) -> "Student":
        self.head.to(device)
        self.encoder.to(device)
        return self

    @property
    def _device(self) -> torch.device:
        return self.head.project.weight.device

    @torch.inference_mode()
    def frames(self, waveform: np.ndarray) -> Tensor:
        """Encoder hidden states of the whole recording, (n_frames, encoder_dim), 50 frames a second, float32.

        Chunks of 30 s overlap; each frame is taken from the chunk that gives it the more context.
        """
        n_frames = max(1, math.ceil(len(waveform) * FRAMES_PER_S / SAMPLE_RATE_HZ))
        stride_s = CHUNK_S - 2 * MARGIN_S
        n_chunks = 1 + max(0, math.ceil((len(waveform) / SAMPLE_RATE_HZ - CHUNK_S) / stride_s))
        starts_s = [i * stride_s for i in range(n_chunks)]
        chunks = [waveform[s * SAMPLE_RATE_HZ : (s + CHUNK_S) * SAMPLE_RATE_HZ] for s in starts_s]
        hidden = []
        for i in range(0, n_chunks, ENCODER_BATCH):
            log_mel = log_mel_of(chunks[i : i + ENCODER_BATCH], self.encoder.config.num_mel_bins)
            hidden.append(self.encoder(log_mel.to(self.encoder.device, self.encoder.dtype)).last_hidden_state.float())
        margin, stride = MARGIN_S * FRAMES_PER_S, stride_s * FRAMES_PER_S
        pieces = [
            chunk[0 if i == 0 else margin : None if i == n_chunks - 1 else margin + stride]
            for i, chunk in enumerate(torch.cat(hidden))
        ]
        return torch.cat(pieces)[:n_frames]

    @torch.inference_mode()
    def embed(self, frames: Tensor, stretches_s: Sequence[tuple[float, float]]) -> np.ndarray:
        """Embeddings (n, embed_dim) of stretches (start_s, end_s) of a recording, from its `frames`."""
        stretches = [frames[frame_slice(start_s, end_s, len(frames))] for start_s, end_s in stretches_s]
        out = [self.head(*pad_stretches(stretches[i : i + HEAD_BATCH])) for i in range(0, len(stretches), HEAD_BATCH)]
        return torch.cat(out).cpu().numpy()

    def windows(self, duration_s: float) -> list[tuple[float, float]]:
        """Equal windows that cover a recording; the last one ends with it and may be shorter."""
        window_s, hop_s = self.config.window_s, self.config.hop_s
        n_windows = 1 + max(0, math.ceil((duration_s - window_s) / hop_s))
        return [(i * hop_s, min(i * hop_s + window_s, duration_s)) for i in range(n_windows)]

    def encode(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """One embedding per recording, (n, embed_dim); long ones are the mean over their windows, at unit length."""
        rows = []
        for waveform in waveforms:
            duration_s = len(waveform) / SAMPLE_RATE_HZ
            stretches = [(0.0, duration_s)] if duration_s <= MAX_CLIP_S else self.windows(duration_s)
            mean = self.embed(self.frames(waveform), stretches).mean(0)
            rows.append(mean / np.linalg.norm(mean))
        return np.stack(rows)


def frame_slice(start_s: float, end_s: float, n_frames: int) -> slice:
    """The frames of a stretch: at least one, inside the recording."""
    start = min(max(0, round(start_s * FRAMES_PER_S)), n_frames - 1)
    return slice(start, max(start + 1, min(round(end_s * FRAMES_PER_S), n_frames)))


def _read_config(weights: Weights) -> StudentConfig:
    path = weights.folder / "config.json"
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} can't be read as a student's configuration ({error}); give its folder") from error
    known = {field.name for field in fields(StudentConfig)}
    if set(stored) != known:
        raise CheckpointError(
            f"{path} is not a student's configuration: missing {sorted(known - set(stored))}, "
            f"unexpected {sorted(set(stored) - known)[:5]}; give a folder written by `medalign train`"
        )
    return StudentConfig(**stored)


def _load_strictly(head: AlignmentHead, path: Path) -> None:
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error}); copy it again") from error
    wanted = head.state_dict()
    wrong_shape = sorted(k for k in wanted.keys() & state.keys() if wanted[k].shape != state[k].shape)
    missing, unexpected = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or unexpected or wrong_shape:
        raise CheckpointError(
            f"{path} doesn't fit its configuration: missing {missing[:5]}, unexpected {unexpected[:5]}, "
            f"wrong shape {wrong_shape[:5]}; give a folder written by `medalign train`"
        )
    head.load_state_dict(state, strict=True)
