"""The recipe of a run: every choice that decides what it comes out as, beside the data."""

from dataclasses import dataclass, field

from medalign.core.errors import DataError
from medalign.models.adapters import AdapterConfig
from medalign.models.teacher import DEFAULT_TEACHER
from medalign.training.data.pairs import Renderings
from medalign.training.objective import LossWeights


@dataclass(frozen=True)
class TrainConfig:
    n_steps: int = 1000
    batch_size: int = 160  # pairs over all processes; part of the method: CKA and InfoNCE depend on it
    chunk_size: int | None = None  # pairs that memory holds at once; the batch is re-encoded in such chunks
    peak_lr: float = 1e-3
    encoder_lr: float = 1e-4  # of the encoder's adapter, where there is one
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0
    loss: LossWeights = field(default_factory=LossWeights)
    validate_every: int = 200
    min_rank: float = 2.0  # effective rank of the validation embeddings below which a student has collapsed onto a line
    save_every: int = 1  # steps between states, so what a kill costs; more where a step is quicker than writing one
    bf16: bool = False  # matrix products in bfloat16; losses stay float32. For GPUs: some CPUs gain, others lose by it
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.batch_size < 4:
            raise DataError(
                f"{self.n_steps} steps of batch {self.batch_size}: at least 1 step is needed, and 4 pairs, "
                "the fewest that debiased CKA is defined for; raise --steps or --batch-size"
            )
        if self.chunk_size is not None and self.chunk_size < 1:
            raise DataError(f"--chunk-size {self.chunk_size}: at least 1 pair is needed")

    @property
    def warmup_steps(self) -> int:
        return min(100, self.n_steps // 10)


@dataclass(frozen=True)
class Recipe:
    train: TrainConfig = field(default_factory=TrainConfig)
    encoder: str = "tiny.en"
    teacher: str = DEFAULT_TEACHER
    teacher_layer: int = -1
    adapter: AdapterConfig = field(default_factory=lambda: AdapterConfig("frozen"))
    renderings: Renderings = "both"  # of each recording: clean, degraded, one of the two, or both
    noise: tuple[str, ...] = ()  # folders of clips that are mixed in, each with a manifest.csv
    shared_texts: bool = False  # texts may stand in both splits: reports written from labels
    only: str = ""  # groups whose name starts so take part
    augmentation_seed: int = 0  # its own, so that seeds of a run share the cached frames
