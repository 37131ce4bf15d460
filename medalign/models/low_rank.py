"""Low-rank updates of a text model (LoRA, Hu et al. 2022, arXiv 2106.09685), kept apart from the model that they change.

A few megabytes that make a teacher of another one: `updates.json` names that one, `updates.safetensors` holds, for each linear
layer, the factors A (rank, in) and B (out, rank) of what is added to its weights. Reading them needs no peft.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from medalign.core.assets import CHECKPOINTS
from medalign.core.errors import WeightsError
from medalign.core.files import read_json
from medalign.core.weights import REVISION_LENGTH, Weights, sha256_of
from medalign.models.pretrained import read_state

DESCRIPTION, FACTORS = "updates.json", "updates.safetensors"
SHIPPED = ("minilm-medical",)  # teachers of this kind that come with MedAlign
REMEDY = "take the folder that `medalign adapt` wrote"


@dataclass(frozen=True)
class LowRankUpdates:
    """What an adapted teacher has beyond the one that it began as."""

    base: str  # name of the model that they are added to
    base_revision: str
    layer: int  # hidden layer of a causal language model that is read
    scale: float  # the product of the factors counts so much

    def add_to(self, model: nn.Module, weights: Weights, folder: Path) -> None:
        """Change the weights of the model in place. Raises WeightsError: it is another model, or the folder is damaged."""
        if weights.revision != self.base_revision:
            raise WeightsError(
                f"{folder} changes '{self.base}' ({self.base_revision}), but that is ({weights.revision}) here; {REMEDY}"
            )
        factors = read_state(folder / FACTORS, remedy=REMEDY)
        modules = dict(model.named_modules())
        for name in sorted({key.rpartition(".")[0] for key in factors}):
            update = self.scale * factors[f"{name}.B"].float() @ factors[f"{name}.A"].float()  # (out, in)
            weight = modules[name].weight
            with torch.no_grad():
                weight.add_((update if isinstance(modules[name], nn.Linear) else update.T).to(weight))


def updates_folder(name: str) -> Path | None:
    """The folder of a teacher that is kept as updates; None if the name means anything else."""
    folder = CHECKPOINTS / name if name in SHIPPED else Path(name)
    try:
        return folder if (folder / DESCRIPTION).is_file() else None
    except OSError:  # a folder above it is closed: `resolve` says so
        return None


def read_updates(folder: Path) -> tuple[LowRankUpdates, str]:
    """Its description, and its revision. Raises WeightsError if either is damaged."""
    updates = read_json(folder / DESCRIPTION, LowRankUpdates, error=WeightsError, remedy=REMEDY)
    if not (folder / FACTORS).is_file():
        raise WeightsError(f"{folder} lacks {FACTORS}; {REMEDY}")
    return updates, sha256_of(folder / FACTORS)[:REVISION_LENGTH]


def save_updates(updates: LowRankUpdates, factors: dict[str, Tensor], folder: Path) -> None:
    """Write the folder, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    halves = {name: tensor.detach().cpu().half().contiguous() for name, tensor in factors.items()}
    save_file(halves, folder / FACTORS)
    (folder / DESCRIPTION).write_text(json.dumps(asdict(updates), indent=1) + "\n", encoding="utf-8")
