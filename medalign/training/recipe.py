"""The recipe of a run: every choice that decides what it comes out as, beside the data."""

from dataclasses import dataclass, field

from medalign.models.adapters import AdapterConfig
from medalign.models.teacher import DEFAULT_TEACHER
from medalign.training.data.pairs import Renderings
from medalign.training.train import TrainConfig


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
