"""The semantic teacher: a frozen language model that reads text. The only door to sentence-transformers.

Two kinds, told apart by the files in the folder: a sentence encoder (it has a `modules.json`), and any causal language model
of transformers, whose hidden states of one layer are averaged over the real tokens. Neither is ever part of a trained
module, so no `train()` call can reach it.
"""

import copy
import hashlib
import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.numpy import save_file

from medalign.core.analysis import ModelInfo
from medalign.core.errors import MedAlignError, WeightsError
from medalign.core.files import read_json, read_tensors, reading
from medalign.core.model_options import ModelOptions
from medalign.core.weights import Weights, resolve
from medalign.models.device import copy_to_cpu, run_in_batches
from medalign.models.pretrained import load_whole, quiet

log = logging.getLogger(__name__)

DEFAULT_TEACHER = ModelOptions.teacher
BATCH = 64  # texts
_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")


class Teacher:
    """Text to embedding."""

    def __init__(
        self,
        name: str = DEFAULT_TEACHER,
        *,
        layer: int = -1,
        prompt: str = "{}",
        max_tokens: int = 128,
        device: str = "cpu",
    ):
        """Load a teacher by pinned name, folder or Hub name.

        Args:
            layer, prompt, max_tokens: of a causal language model: which hidden states are averaged (-1 is the last), what
                each text is put into, without any chat template, and where a text is cut.

        Raises:
            WeightsError: unknown name, missing or altered files, files of another kind of model, or an option that this
                kind of teacher doesn't have.
        """
        weights = resolve(name, weight_files=_WEIGHT_FILES)
        is_sentence_encoder = (weights.folder / "modules.json").is_file()
        if is_sentence_encoder and (layer, prompt) != (-1, "{}"):
            raise WeightsError(f"'{name}' is a sentence encoder: it has its own layer and takes no prompt; leave both out")
        if prompt.count("{}") != 1:
            raise WeightsError(f"prompt '{prompt}' needs exactly one {{}}, the place of the text")
        with reading(f"'{name}' can't be loaded as a text model", error=WeightsError, remedy="give another --teacher"):
            if is_sentence_encoder:
                self.model: _TextModel = _SentenceEncoder(weights, device)
            else:
                self.model = _CausalLanguageModel(weights, layer, prompt, max_tokens, device)
        self.info = ModelInfo(weights.name, weights.revision)
        self._one_at_a_time = threading.Lock()  # a tokenizer is told where to cut just before it reads, for all threads

    @property
    def embed_dim(self) -> int:
        return self.model.embed_dim

    @property
    def description(self) -> str:
        """Name, revision and pooling: all that an embedding depends on, beside its text."""
        return f"{self.info.name} ({self.info.revision}), {self.model.pooling}"

    def encode(self, texts: Sequence[str], *, cache: Path | None = None) -> Float[np.ndarray, "n dim"]:
        """Embeddings (n, embed_dim), float32, unit length; row i belongs to texts[i].

        >>> Teacher().encode(["My chest hurts.", "No cough."]).shape
        (2, 384)

        Args:
            cache: folder in which embeddings are kept under hashes of what they depend on. By default nothing is kept:
                texts may be what a patient said.

        Raises:
            MedAlignError: the embedding of a text is not finite; the message names its row.
        """
        if not texts:
            return np.zeros((0, self.embed_dim), np.float32)
        with self._one_at_a_time:
            embedded = self._embed(list(texts)) if cache is None else self._encode_kept(list(texts), cache)
        return self.checked(embedded)

    def checked(self, embedded: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n dim"]:
        """Raises MedAlignError if an embedding is not finite."""
        if len(bad := np.flatnonzero(~np.isfinite(embedded).all(1))):
            raise MedAlignError(f"{self.info.name} gave no finite embedding for text {bad[0]}; give another --teacher or layer")
        return embedded

    def _embed(self, texts: list[str]) -> np.ndarray:
        def run(model: _TextModel, batch: Sequence[str]) -> np.ndarray:
            return model.encode(list(batch))

        return np.concatenate(list(run_in_batches("the teacher", texts, len(texts), run, self.model, self.model.on_cpu)))

    def _encode_kept(self, texts: list[str], cache: Path) -> np.ndarray:
        """One file per teacher and setting: rows by the hash of their text; no text is written."""
        path = cache / f"{_digest(self.description)}.safetensors"
        kept = read_tensors(path, remedy="remove it") if path.exists() else {"keys": np.zeros((0, 16), np.uint8)}
        row = {bytes(key): i for i, key in enumerate(kept["keys"])}
        keys = [bytes.fromhex(_digest(text)) for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in row}
        if new:
            embedded = self._embed(list(new.values()))
            stored = np.concatenate([kept["embeddings"], embedded]) if len(row) else embedded
            new_keys = np.array([list(key) for key in new], np.uint8)
            kept = {"keys": np.concatenate([kept["keys"], new_keys]), "embeddings": stored}
            row |= {key: len(row) + i for i, key in enumerate(new)}
            cache.mkdir(parents=True, exist_ok=True)
            scratch = path.with_suffix(f".{os.getpid()}.part")  # processes of one run may write at once
            save_file(kept, scratch)
            scratch.replace(path)
        return kept["embeddings"][[row[key] for key in keys]]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class _TextModel(ABC):
    """What `Teacher` needs of either kind."""

    embed_dim: int
    pooling: str
    _model: Any

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self._model.parameters())

    def to(self, device: str) -> "_TextModel":
        self._model.to(device)
        return self

    def on_cpu(self) -> "_TextModel":
        other = copy.copy(self)
        other._model = copy_to_cpu(self._model)
        return other

    @abstractmethod
    def encode(self, texts: list[str]) -> Float[np.ndarray, "n dim"]: ...


@dataclass(frozen=True)
class _Module:
    """An entry of `modules.json`."""

    idx: int
    name: str
    path: str
    type: str


class _SentenceEncoder(_TextModel):
    pooling = "its own pooling"

    def __init__(self, weights: Weights, device: str):
        from sentence_transformers import SentenceTransformer
        from transformers import PreTrainedModel

        modules = read_json(weights.folder / "modules.json", list[_Module], error=WeightsError, remedy="give another --teacher")
        for module in modules:  # any other class would be imported, and older releases import it from the folder
            if not module.type.startswith("sentence_transformers."):
                raise ValueError(f"its part '{module.type}' is code of its own, which is not run")
        options = {"ignore_mismatched_sizes": True}  # load_whole names them
        with quiet():
            self._model = SentenceTransformer(
                str(weights.folder), device=device, local_files_only=True, trust_remote_code=False, model_kwargs=options
            )
        for module, loaded in zip(modules, self._model, strict=True):
            if isinstance(model := getattr(loaded, "auto_model", None), PreTrainedModel):
                load_whole(type(model), weights.folder / module.path, config=model.config)
        self._model.eval().requires_grad_(False)
        if (dim := self._model.get_embedding_dimension()) is None:
            raise ValueError("its embeddings have no fixed width")
        self.embed_dim = dim

    def encode(self, texts: list[str]) -> Float[np.ndarray, "n dim"]:
        return self._model.encode(
            texts, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False, batch_size=BATCH
        )


class _CausalLanguageModel(_TextModel):
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
            hidden, mask = self._hidden_states(texts[i : i + BATCH])
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            rows.append(F.normalize(mean, dim=-1).cpu().numpy())
        return np.concatenate(rows)

    def _hidden_states(self, texts: list[str]) -> tuple[Float[torch.Tensor, "n tokens dim"], Float[torch.Tensor, "n tokens"]]:
        """One layer's hidden states, float32, and the mask of the real tokens, special ones left out."""
        prompted = [self._prompt.format(text) for text in texts]
        cut = {"truncation": True, "max_length": self._max_tokens}
        tokens = self._tokenizer(prompted, padding=True, return_special_tokens_mask=True, return_tensors="pt", **cut)
        special = tokens.pop("special_tokens_mask").bool()
        tokens = tokens.to(self._model.device)
        n_cut = sum(len(ids) > self._max_tokens for ids in self._tokenizer(prompted).input_ids)
        if n_cut:
            log.warning("%d of %d texts were cut after %d tokens", n_cut, len(texts), self._max_tokens)
        hidden = self._model(**tokens, output_hidden_states=True).hidden_states[self._layer].float()
        return hidden, (tokens.attention_mask.bool() & ~special.to(tokens.attention_mask.device)).float()
