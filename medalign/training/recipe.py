"""The recipe of a run: every choice that decides what it comes out as, beside the data; and the only place of its defaults.

Without torch, so that the command line can take options and defaults from here.
"""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

from medalign.core.errors import DataError
from medalign.core.model_options import ModelOptions
from medalign.models.adapter_config import AdapterConfig

Renderings = Literal["clean", "either", "both"]
Tuned = Literal["lora", "full"]  # low-rank updates; all weights but the embeddings of words
PAIR_KINDS = ("noted", "status", "synonyms", "own")


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts; the arms of the ablation differ in these numbers alone."""

    contrastive: float = 1.0  # InfoNCE with what was said: gives each clip a score of its own
    cka: float = 1.0  # debiased CKA: the paper's idea
    concept: float = 0.5  # SigLIP with the texts of concepts
    reconstruction: float = 0.0  # log-mel of tokens hidden from the head: self-supervision
    siglip: float = 0.0  # in place of InfoNCE
    published: float = 0.0  # the published code's loss, blind to the pairing; for comparison only

    def __post_init__(self) -> None:
        weights = asdict(self)
        if wrong := [name for name, weight in weights.items() if not 0 <= weight < math.inf]:
            raise DataError(f"weight of {wrong[0]} is {weights[wrong[0]]}; expected 0 or more")
        if not any(weight for name, weight in weights.items() if name != "reconstruction"):
            raise DataError("no loss ties audio to text; give contrastive, cka or another one a weight")

    def __str__(self) -> str:
        """As the command line takes it."""
        return ",".join(f"{name}={weight:g}" for name, weight in asdict(self).items() if weight)

    @classmethod
    def only(cls, **weights: float) -> "LossWeights":
        """These weights and nothing else."""
        return cls(**{field.name: 0.0 for field in fields(cls)} | weights)


@dataclass(frozen=True)
class Steps:
    """What the training of a student and that of a teacher have in common."""

    n_steps: int = 1000
    batch_size: int = 160  # pairs over all processes; part of the method: the losses depend on it
    chunk_size: int | None = None  # pairs that memory holds at once; the batch is encoded anew in such chunks
    peak_lr: float = 1e-3
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0
    save_every: int = 1  # steps between states, so what a kill costs; more where a step is quicker than writing one
    bf16: bool = False  # matrix products in bfloat16; losses stay float32. For GPUs: some CPUs gain, others lose by it
    seed: int = 0  # of pairs, batches, weights and dropout
    least_pairs = 4  # the fewest that debiased CKA is defined for

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.batch_size < self.least_pairs:
            raise DataError(
                f"{self.n_steps} steps of batch {self.batch_size}: at least 1 step is needed, and {self.least_pairs} pairs, "
                "the fewest that the losses are defined for; raise --steps or --batch-size"
            )
        if self.chunk_size is not None and self.chunk_size < 1:
            raise DataError(f"--chunk-size {self.chunk_size}: at least 1 pair is needed")

    @property
    def warmup_steps(self) -> int:
        return min(100, self.n_steps // 10)


@dataclass(frozen=True)
class TrainConfig(Steps):
    """How a student is trained; the peak learning rate is the head's."""

    encoder_lr: float = 1e-4  # of the encoder's adapter, where there is one
    loss: LossWeights = field(default_factory=LossWeights)
    validate_every: int = 200
    min_rank: float = 2.0  # effective rank of the validation embeddings below which a student has collapsed onto a line


@dataclass(frozen=True)
class Recipe:
    train: TrainConfig = field(default_factory=TrainConfig)
    encoder: str = "tiny.en"
    teacher: str = ModelOptions().teacher
    teacher_layer: int = -1
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    renderings: Renderings = "both"  # of each recording: clean, degraded, one of the two, or both
    noise: tuple[str, ...] = ()  # folders of clips that are mixed in, each with a manifest.csv
    shared_texts: bool = False  # texts may stand in both splits: reports written from labels
    only: str = ""  # groups whose name starts so take part
    augmentation_seed: int = 0  # its own, so that seeds of a run share the cached frames


@dataclass(frozen=True)
class DetectorConfig:
    """How a detector of sound events is trained."""

    n_mixtures: int = 1500  # speech with sounds laid in, to learn from; a quarter each to set thresholds and to measure
    n_epochs: int = 14  # the best of them is kept
    seed: int = 0


@dataclass(frozen=True)
class StatusRecipe:
    """How the status classifier is trained."""

    seed: int = 0
    start: str = ""  # folder of a classifier to go on from; none: from the teacher's layers
    keep: float = 0.0  # share of its weights in the mean of both, which keeps what it knew (WiSE-FT, arXiv 2109.01903)
    n_examples: int = 48_000  # drawn from the grammar
    n_labelled: int = 32_000  # of labelled mentions in real conversations, each time heard differently
    batch: int = 64
    learning_rate: float = 3e-4
    warmup: float = 0.06  # of all steps
    label_smoothing: float = 0.02
    n_layers: int = 6
    tutor: str = ""  # a larger text model that learns first, and whose logits are learnt from; none: from the labels alone
    tutor_learning_rate: float = 5e-5


@dataclass(frozen=True)
class AdaptTraining(Steps):
    """How long and how a teacher is adapted; each pair is told from all others of its batch."""

    n_steps: int = 150
    batch_size: int = 48
    peak_lr: float = 5e-4  # of low-rank updates; all weights want a tenth of it
    weight_decay: float = 0.01
    save_every: int = 25
    scale: float = 20.0  # of cosines; 1 / temperature
    least_pairs = 2


@dataclass(frozen=True)
class AdaptRecipe:
    """How a teacher is adapted to medicine. The shares say how often a batch is of a kind of pairs; 0 leaves it out."""

    train: AdaptTraining = field(default_factory=AdaptTraining)
    teacher: str = ModelOptions().teacher
    teacher_layer: int = -1
    tuned: Tuned = "lora"
    rank: int = 16  # of low-rank updates
    noted: float = 0.4  # what was said, and what a note says of it
    status: float = 0.4  # a mention, and its sense in a note's words
    synonyms: float = 0.2  # wordings of one concept
    own: float = 0.4  # pairs of one's own, where there are any

    def __post_init__(self) -> None:
        shares = {name: getattr(self, name) for name in PAIR_KINDS}
        if wrong := [name for name, share in shares.items() if not 0 <= share < math.inf]:
            raise DataError(f"the share of {wrong[0]} is {shares[wrong[0]]}; expected 0 or more")
        if not any(shares.values()):
            raise DataError("all shares of pairs are 0; give one of them a share")


@dataclass(frozen=True)
class ProbeConfig:
    """How labels of sounds are probed."""

    label: str = "label"  # column
    group: str = "group"  # column of persons
    within: str | None = None  # column; each of its values has probes of its own; their AUROC, and its mean
    leave_out: str | None = None  # column; each of its values in turn is measured, the others are fitted on
    level: Literal["clip", "patient"] = "clip"  # of a patient, the scores of all clips are averaged
    kind: str | None = None  # of sound; by default what the table's column `kind` says
    kernel: Literal["linear", "gaussian"] = "linear"  # of the features, or of how alike a clip is to those fitted on
    crop_s: float | None = None  # heard of each clip
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.within and self.leave_out:
            raise DataError("--leave-out measures within each value already; leave --within out")
