"""Low-rank updates of a text model (LoRA, Hu et al. 2022, arXiv 2106.09685), kept apart from the model that they change.

A few megabytes that make a teacher of another one: `updates.json` names that one, `updates.safetensors` holds, for each linear
layer, the factors A (rank, in) and B (out, rank) of what is added to its weights. Reading them needs no peft.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medalign.core.assets import CHECKPOINTS
from medalign.core.errors import WeightsError
from medalign.core.files import check_regular, read_json, write_tensors
from medalign.core.weights import REVISION_LENGTH, Weights, is_revision, sha256_of, with_files
from medalign.models.pretrained import UNUSED, check_fit, read_state

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
        if not is_revision(self.base_revision, weights.revision):
            raise WeightsError(
                f"{folder} changes '{self.base}' ({self.base_revision}), but that is ({weights.revision}) here; {REMEDY}"
            )
        factors, layers = read_state(folder / FACTORS, remedy=REMEDY), linear_layers(model)
        rank = max(1, min((len(factors[key]) for key in factors if key.endswith(".A") and factors[key].ndim), default=1))
        wanted: dict[str, Tensor] = {}
        for name, layer in layers.items():
            n_out, n_in = layer.weight.shape if isinstance(layer, nn.Linear) else layer.weight.T.shape
            wanted |= {
                f"{name}.A": torch.empty(rank, n_in, device="meta"),
                f"{name}.B": torch.empty(n_out, rank, device="meta"),
            }
        check_fit(wanted, factors, str(folder / FACTORS), remedy=REMEDY)
        for name, layer in layers.items():
            update = self.scale * factors[f"{name}.B"].float() @ factors[f"{name}.A"].float()  # (out, in)
            with torch.no_grad():
                layer.weight.add_((update if isinstance(layer, nn.Linear) else update.T).to(layer.weight))


def linear_layers(model: nn.Module) -> dict[str, Any]:
    """By name, all that updates lie on."""
    from transformers.pytorch_utils import Conv1D  # GPT-2's linear layers, stored the other way round

    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear | Conv1D)}
    return {name: module for name, module in linear.items() if not name.startswith(UNUSED)}


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
    check_regular(folder / FACTORS, error=WeightsError, remedy=REMEDY)
    factors = sha256_of(folder / FACTORS)[:REVISION_LENGTH]
    return updates, with_files(factors, {DESCRIPTION: sha256_of(folder / DESCRIPTION)})


def save_updates(updates: LowRankUpdates, factors: dict[str, Tensor], folder: Path) -> None:
    """Write the folder, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    halves = {name: tensor.detach().cpu().half().contiguous() for name, tensor in factors.items()}
    write_tensors(halves, folder / FACTORS)
    (folder / DESCRIPTION).write_text(json.dumps(asdict(updates), indent=1) + "\n", encoding="utf-8")
