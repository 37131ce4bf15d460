"""The recipe of a run: every choice that decides what it comes out as, beside the data; and the only place of its defaults.

Without torch, so that the command line can take options, defaults and their help from here.
"""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

from medalign.core.errors import DataError
from medalign.core.model_options import MAX_SEED, Bounded, ModelOptions, option
from medalign.models.adapter_config import MAX_RANK, AdapterConfig

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
class Steps(Bounded):
    """What the training of a student and that of a teacher have in common."""

    n_steps: int = option(1000, "optimiser steps", "--steps", least=1)
    # Over all processes; debiased CKA is not defined for fewer.
    batch_size: int = option(160, "pairs per step; the losses compare all pairs of a batch", least=4)
    chunk_size: int | None = option(None, "pairs that memory holds at once; same result, one more forward pass", least=1)
    peak_lr: float = option(1e-3, "peak learning rate of the head", "--lr", positive=True)
    weight_decay: float = 0.05
    max_grad_norm: float = option(1.0, positive=True)
    save_every: int = option(1, "steps between two saved states", least=1)  # more where a step is quicker than that
    bf16: bool = option(False, "matrix products in bfloat16")  # losses stay float32. Some CPUs gain, others lose by it
    seed: int = option(0, "seed of weights, batches and dropout", most=MAX_SEED)

    @property
    def warmup_steps(self) -> int:
        return min(100, self.n_steps // 10)


@dataclass(frozen=True)
class TrainConfig(Steps):
    """How a student is trained; the peak learning rate is the head's."""

    encoder_lr: float = option(1e-4, "peak learning rate of the adapter")
    loss: LossWeights = field(default_factory=LossWeights)
    validate_every: int = option(200, "steps; the best validation becomes the checkpoint", least=1)
    min_rank: float = 2.0  # effective rank of the validation embeddings below which a student has collapsed onto a line


@dataclass(frozen=True)
class Recipe(Bounded):
    train: TrainConfig = field(default_factory=TrainConfig)
    encoder: str = option(
        "tiny.en", "Whisper size (@4x: for low sounds), spectrogram-heart, -lung or -cough, or a model by folder or Hub name"
    )
    teacher: str = option(ModelOptions().teacher, "sentence encoder or causal language model")
    teacher_layer: int = option(-1, "hidden layer of a causal language model", least=-math.inf)
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    renderings: Renderings = option(
        "both", "which recordings of a pair are used: clean, degraded, or both"
    )  # clean, degraded, one of the two, or both
    noise: tuple[str, ...] = option((), "folder of noise clips with manifest.csv; may be repeated")
    shared_texts: bool = option(False, "texts may stand in both splits, as reports written from labels do")
    only: str = ""  # groups whose name starts so take part
    augmentation_seed: int = option(0, most=MAX_SEED)  # its own, so that seeds of a run share the cached frames


@dataclass(frozen=True)
class DetectorConfig(Bounded):
    """How a detector of sound events is trained."""

    n_mixtures: int = option(
        1500, "mixtures to train on; a quarter as many to set thresholds, and to measure", "--mixtures", least=4
    )
    n_epochs: int = option(14, "epochs; the best one is kept", "--epochs", least=1)
    seed: int = option(0, "seed of mixtures and weights", most=MAX_SEED)


@dataclass(frozen=True)
class StatusRecipe(Bounded):
    """How the status classifier is trained."""

    seed: int = option(0, "seed of examples and weights", most=MAX_SEED)
    start: str = option("", "folder of a classifier to go on from")  # none: from the teacher's layers
    keep: float = option(0.0, "weight of that classifier when both are averaged (0 to 1)", most=1)  # WiSE-FT (arXiv 2109.01903)
    n_examples: int = option(48_000, "examples drawn from the grammar", "--examples", least=1)
    n_labelled: int = option(32_000, "labelled mentions to train on, equally many of each collection", "--labelled")
    batch: int = option(64, least=1)
    learning_rate: float = option(3e-4, "peak learning rate", positive=True)
    warmup: float = option(0.06, most=1)  # of all steps
    label_smoothing: float = option(0.02, most=1)
    n_layers: int = option(6, "layers of the teacher to start from", "--layers", least=1)
    tutor: str = option("", "larger text model (folder or Hub name) that is trained first and then distilled")
    tutor_learning_rate: float = option(5e-5, "peak learning rate of the tutor", positive=True)


@dataclass(frozen=True)
class AdaptTraining(Steps):
    """How long and how a teacher is adapted; each pair is told from all others of its batch."""

    n_steps: int = option(150, "optimiser steps; may grow when a run is resumed", "--steps", least=1)
    batch_size: int = option(48, "pairs per step; each is contrasted with all others", least=2)
    chunk_size: int | None = option(None, "pairs that memory holds at once", least=1)
    peak_lr: float = option(5e-4, "peak learning rate; for all weights, give a tenth of it", "--lr", positive=True)
    weight_decay: float = 0.01
    save_every: int = option(25, least=1)
    seed: int = option(0, "seed of pairs, batches, weights and dropout", most=MAX_SEED)
    scale: float = option(20.0, positive=True)  # of cosines; 1 / temperature


@dataclass(frozen=True)
class AdaptRecipe(Bounded):
    """How a teacher is adapted to medicine. The shares say how often a batch is of a kind of pairs; 0 leaves it out."""

    train: AdaptTraining = field(default_factory=AdaptTraining)
    teacher: str = option(ModelOptions().teacher, "sentence encoder or causal language model to begin from")
    teacher_layer: int = option(-1, "hidden layer of a causal language model", least=-math.inf)
    tuned: Tuned = option("lora", "low-rank updates, or all weights but the embeddings of words")
    rank: int = option(16, "rank of the low-rank updates", least=1, most=MAX_RANK)
    noted: float = option(0.4, "share of batches that pair what was said with what the note says")
    status: float = option(0.4, "share of batches that pair a mention with its assertion status")
    synonyms: float = option(0.2, "share of batches that pair two wordings of one concept")
    own: float = option(0.4, "share of batches from --pairs")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any(getattr(self, name) for name in PAIR_KINDS):
            raise DataError("all shares of pairs are 0; give one of them a share")


@dataclass(frozen=True)
class ProbeConfig(Bounded):
    """How labels of sounds are probed."""

    label: str = "label"  # column
    group: str = option("group", "column that identifies persons; no person is in two folds")
    within: str | None = option(None, "column: fits one probe for each of its values and reports their mean AUROC")
    leave_out: str | None = option(None, "column: each of its values is tested by a probe fitted on the other values")
    level: Literal["clip", "patient"] = option("clip", "clip, or patient: the mean of a patient's clips")
    kind: str | None = option(None, "heart, lung, cough or everyday (default: the table's column kind)")
    kernel: Literal["linear", "gaussian"] = option(
        "linear", "linear, or gaussian: similarity to the fitted clips; inflates AUROC if a person is in training and test"
    )
    crop_s: float | None = option(
        None, "seconds heard of each clip, so that length tells nothing (default: all)", positive=True
    )
    folds: int = option(5, "number of cross-validation folds", least=2)
    seed: int = option(0, "seed of the folds", most=MAX_SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.within and self.leave_out:
            raise DataError("--leave-out measures within each value already; leave --within out")
