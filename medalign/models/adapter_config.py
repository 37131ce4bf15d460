"""How an encoder is adapted, as a value: without torch, so that the command line can take its defaults from here."""

from dataclasses import dataclass
from typing import Literal, get_args

from medalign.core.errors import CheckpointError
from medalign.core.model_options import option

MAX_RANK, MAX_ALPHA, MAX_LAYERS = 1024, 1e4, 1000  # no encoder has use for more
Kind = Literal["frozen", "lora", "last-k", "full"]


@dataclass(frozen=True)
class AdapterConfig:
    """What is trained of an encoder; sizes that the kind doesn't use are kept, but mean nothing."""

    kind: Kind = option("frozen", "what of the encoder learns", "--adapter")
    rank: int = option(8, "of LoRA")
    alpha: float = 16  # lora: the update is scaled by alpha / rank
    last_k: int = option(2, "layers, for --adapter last-k")  # of the transformer, counted from the output

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise CheckpointError(f"adapter '{self.kind}' is unknown; use one of {', '.join(get_args(Kind))}")
        if not (1 <= self.rank <= MAX_RANK and 1 <= self.last_k <= MAX_LAYERS and 0 < self.alpha <= MAX_ALPHA):
            raise CheckpointError(
                f"adapter with rank {self.rank}, alpha {self.alpha} and last_k {self.last_k}: all must be above 0, and at most "
                f"{MAX_RANK}, {MAX_ALPHA:g} and {MAX_LAYERS}; leave out those that the kind doesn't use"
            )
