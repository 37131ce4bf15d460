"""A teacher that learns: which of its weights may change, and how it becomes a folder that `Teacher` loads.

Low-rank updates (LoRA, Hu et al. 2022, arXiv 2106.09685) lie on all linear layers and start as the untouched model; they are
added into the weights before these are saved, so that loading needs neither peft nor the model that they began from.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from medalign.core.errors import TrainingError
from medalign.models.low_rank import LowRankUpdates, linear_layers, save_updates
from medalign.models.teacher import Teacher

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LORA_ALPHA = 2  # times the rank


class TunableTeacher:
    """A teacher whose weights may change; `network` is what a trainer trains. The teacher itself changes with it."""

    def __init__(self, teacher: Teacher, tuned: str, rank: int):
        """
        Args:
            tuned: "lora", low-rank updates; or "full", all weights but the embeddings of words.
            rank: of the updates.

        Raises:
            TrainingError: peft is not installed, or the model has no linear layers.
        """
        self._teacher = teacher
        if tuned == "lora":
            _add_lora(teacher.model.transformer, rank)
        else:
            teacher.model.transformer.requires_grad_(True)
            teacher.model.transformer.get_input_embeddings().requires_grad_(False)  # rare words keep their places
        self.network: SentenceTransformer = teacher.model.network()

    def save(self, folder: Path, updates: Path | None = None) -> None:
        """The folder of a teacher. Updates are added into the weights: it can't be trained on after that.

        Args:
            updates: where low-rank updates are written by themselves, too, as a teacher of a few megabytes.
        """
        model = self._teacher.model.transformer
        updated = {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}
        if updated and updates:
            info = self._teacher.info
            description = LowRankUpdates(info.name, info.revision, self._teacher.layer, float(LORA_ALPHA))
            factors = {f"{name}.{x}": getattr(m, f"lora_{x}")["default"].weight for name, m in updated.items() for x in "AB"}
            save_updates(description, factors, updates)
        for name, module in updated.items():
            module.merge(safe_merge=True)  # refuses what is not finite
            model.set_submodule(name, module.get_base_layer())
        if updated:
            del model.peft_config
        self._teacher.model.save(folder)


def _add_lora(model: nn.Module, rank: int) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise TrainingError("low-rank updates need peft, which is not installed; run `pip install peft`") from error
    names = list(layers := linear_layers(model))
    if not names:
        raise TrainingError("the model has no linear layers to update; give --tuned full")
    is_transposed = not isinstance(layers[names[0]], nn.Linear)
    lora = LoraConfig(r=rank, lora_alpha=LORA_ALPHA * rank, target_modules=names, fan_in_fan_out=is_transposed)
    inject_adapter_in_model(lora, model)
