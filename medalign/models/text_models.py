"""Text models behind a teacher. The only door to sentence-transformers, beside its trainer.

Two kinds, told apart by the files in the folder: a sentence encoder (it has a `modules.json`), and any causal language model
of transformers, whose hidden states of one layer are averaged over the real tokens.
"""

import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from medalign.core.errors import WeightsError
from medalign.core.files import read_json
from medalign.core.weights import Weights
from medalign.models.device import copy_to_cpu
from medalign.models.pretrained import load_whole, quiet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

BATCH = 64  # texts


class TextModel(ABC):
    """What `Teacher` needs of either kind."""

    embed_dim: int
    pooling: str
    _model: Any

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self._model.parameters())

    def to(self, device: str) -> "TextModel":
        self._model.to(device)
        return self

    def on_cpu(self) -> "TextModel":
        other = copy.copy(self)
        other._model = copy_to_cpu(self._model)
        return other

    @abstractmethod
    def encode(self, texts: list[str]) -> Float[np.ndarray, "n dim"]: ...

    @property
    @abstractmethod
    def transformer(self) -> "PreTrainedModel":
        """What has the weights."""

    @abstractmethod
    def network(self) -> "SentenceTransformer":
        """As sentence-transformers' trainer takes it: from text to the embedding that `encode` gives, with gradients."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """All that `Teacher` needs to load it from there."""


@dataclass(frozen=True)
class _Module:
    """An entry of `modules.json`."""

    idx: int
    name: str
    path: str
    type: str


class SentenceEncoder(TextModel):
    pooling = "its own pooling"

    def __init__(self, weights: Weights, device: str):
        from sentence_transformers import SentenceTransformer
        from transformers import PreTrainedModel

        modules = read_json(weights.folder / "modules.json", list[_Module], error=WeightsError, remedy="give another --teacher")
        for module in modules:  # any other class would be imported, and older releases import it from the folder
            if not module.type.startswith("sentence_transformers."):
                raise ValueError(f"its part '{module.type}' is code of its own, which is not run")
        with quiet():  # what is mismatched, load_whole names
            local: dict[str, Any] = {"local_files_only": True, "model_kwargs": {"ignore_mismatched_sizes": True}}
            self._model = SentenceTransformer(str(weights.folder), device=device, trust_remote_code=False, **local)
        for module, loaded in zip(modules, self._model, strict=True):
            if isinstance(model := getattr(loaded, "auto_model", None), PreTrainedModel):
                load_whole(type(model), weights.folder / module.path, config=model.config)
        self._model.eval().requires_grad_(False)
        if (dim := self._model.get_embedding_dimension()) is None:
            raise ValueError("its embeddings have no fixed width")
        self.embed_dim = dim

    def encode(self, texts: list[str]) -> Float[np.ndarray, "n dim"]:
        options: dict[str, bool] = {"normalize_embeddings": True, "convert_to_numpy": True, "show_progress_bar": False}
        return self._model.encode(texts, batch_size=BATCH, **options)

    @property
    def transformer(self) -> "PreTrainedModel":
        return self._model[0].auto_model

    def network(self) -> "SentenceTransformer":
        return self._model

    def save(self, folder: Path) -> None:
        self._model.save(str(folder), create_model_card=False)  # the library's would show texts that were trained on


class CausalLanguageModel(TextModel):
    """The base model without its language-modelling head; bfloat16 on a GPU, float32 on a CPU."""

    def __init__(self, weights: Weights, layer: int, prompt: str, max_tokens: int, device: str):
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(weights.folder, trust_remote_code=False)
        self._tokenizer.padding_side = "right"
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        self._model = load_whole(AutoModel, weights.folder, dtype=dtype).to(device).eval().requires_grad_(False)
        config = self._model.config.get_text_config()
        if not -config.num_hidden_layers - 1 <= layer <= config.num_hidden_layers:
            raise ValueError(f"it has {config.num_hidden_layers} layers, there is no layer {layer}")
        self.embed_dim = config.hidden_size
        self._layer, self._prompt, self._max_tokens = layer, prompt, max_tokens
        self.pooling = f"mean over the real tokens of layer {layer}, at most {max_tokens}, prompt '{prompt}'"

    @torch.inference_mode()
    def encode(self, texts: list[str]) -> Float[np.ndarray, "n dim"]:
        rows = [np.zeros((0, self.embed_dim), np.float32)]
        for i in range(0, len(texts), BATCH):
            rows.append(F.normalize(self.pooled(self.tokens(texts[i : i + BATCH])), dim=-1).cpu().numpy())
        return np.concatenate(rows)

    def tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """What the model reads, padded on the right, and `pooled_tokens`: the real ones, special ones left out."""
        prompted = [self._prompt.format(text) for text in texts]
        cut = {"truncation": True, "max_length": self._max_tokens}
        read = self._tokenizer(prompted, padding=True, return_special_tokens_mask=True, return_tensors="pt", **cut)
        special = read.pop("special_tokens_mask").bool()
        n_cut = sum(len(ids) > self._max_tokens for ids in self._tokenizer(prompted).input_ids)
        if n_cut:
            log.warning("%d of %d texts were cut after %d tokens", n_cut, len(texts), self._max_tokens)
        return {**read, "pooled_tokens": read["attention_mask"].bool() & ~special}

    def pooled(self, tokens: dict[str, Tensor]) -> Float[Tensor, "n dim"]:
        """The mean of one layer's hidden states over the real tokens, float32, not normalised; with gradients if any."""
        read = {name: values.to(self._model.device) for name, values in tokens.items()}
        mask = read.pop("pooled_tokens").float()
        hidden = self._model(**read, output_hidden_states=True).hidden_states[self._layer].float()
        return (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

    @property
    def transformer(self) -> "PreTrainedModel":
        return self._model

    def network(self) -> "SentenceTransformer":
        from sentence_transformers import SentenceTransformer

        from medalign.models.pooled_states import PooledStates

        return SentenceTransformer(modules=[PooledStates(self)], device=str(self._model.device), trust_remote_code=False)

    def save(self, folder: Path) -> None:
        self._model.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)
