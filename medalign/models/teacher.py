"""The semantic teacher: a frozen language model that reads text.

It is never part of what a student's training trains, so no `train()` call can reach it.
"""

import hashlib
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medalign.core.analysis import ModelInfo
from medalign.core.errors import CheckpointError, DataError, MedAlignError, WeightsError
from medalign.core.files import read_tensors, reading, write_tensors
from medalign.core.model_options import ModelOptions
from medalign.core.weights import Weights, model_name, pinned_names, resolve
from medalign.models.device import choose_device, run_in_batches
from medalign.models.low_rank import SHIPPED, LowRankUpdates, read_updates, updates_folder
from medalign.models.student_config import is_student
from medalign.models.text_models import CausalLanguageModel, SentenceEncoder, TextModel

REMOVE = "remove it, and it is computed anew"
DEFAULT_TEACHER = ModelOptions.teacher
MAX_TOKENS = 128  # of a causal language model
_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")


def find_teacher(name: str) -> tuple[Path | None, LowRankUpdates | None, str, Weights]:
    """The folder, updates and revision of a teacher that is kept as updates (None, None and "" of any other), and its weights;
    nothing is loaded. Raises WeightsError: unknown name, missing or altered files, or a student's."""
    folder = updates_folder(name)
    updates, revision = read_updates(folder) if folder else (None, "")
    known = (*pinned_names(_WEIGHT_FILES), *SHIPPED)
    weights = resolve(updates.base if updates else name, weight_files=_WEIGHT_FILES, known=known)
    if is_student(weights.folder):
        raise WeightsError(f"'{name}' is a student and no teacher; give it to --student")
    return folder, updates, revision, weights


class Teacher:
    """Text to embedding."""

    def __init__(
        self,
        name: str | os.PathLike[str] = DEFAULT_TEACHER,
        *,
        layer: int = -1,
        prompt: str = "{}",
        max_tokens: int = MAX_TOKENS,
        device: str = "cpu",
    ):
        """Load a teacher by pinned name, folder or Hub name; "minilm-medical" ships, too.

        Args:
            layer, prompt, max_tokens: of a causal language model: which hidden states are averaged (-1 is the last), what
                each text is put into, without any chat template, and where a text is cut.
            device: auto, cpu or cuda.

        Raises:
            WeightsError: unknown name or device, missing or altered files, files of another kind of model, or an option that
                this kind of teacher doesn't have.
        """
        name, device = model_name(name), choose_device(device)
        folder, updates, revision, weights = find_teacher(name)
        layer = updates.layer if updates and layer == -1 else layer
        is_sentence_encoder = (weights.folder / "modules.json").is_file()
        if is_sentence_encoder and (layer, prompt, max_tokens) != (-1, "{}", MAX_TOKENS):
            own = "it has its own layer, takes no prompt and cuts texts where it was trained to"
            raise WeightsError(f"'{name}' is a sentence encoder: {own}; leave layer, prompt and max_tokens out")
        if prompt.count("{}") != 1:
            raise WeightsError(f"prompt '{prompt}' needs exactly one {{}}, the place of the text")
        with reading(f"'{name}' can't be loaded as a text model", error=WeightsError, remedy="give another --teacher"):
            if is_sentence_encoder:
                self.model: TextModel = SentenceEncoder(weights, device)
            else:
                self.model = CausalLanguageModel(weights, layer, prompt, max_tokens, device)
            if updates and folder:
                updates.add_to(self.model.transformer, weights, folder)
        self.info = ModelInfo(name, revision or weights.revision)
        self.layer = layer
        self._one_at_a_time = threading.Lock()  # a tokenizer is told where to cut just before it reads, for all threads

    @property
    def embed_dim(self) -> int:
        return self.model.embed_dim

    @property
    def description(self) -> str:
        """Name, revision and pooling: all that an embedding depends on, beside its text."""
        return f"{self.info.name} ({self.info.revision}), {self.model.pooling}"

    def encode(self, texts: Iterable[str], *, cache: Path | None = None) -> Float[np.ndarray, "n dim"]:
        """Embeddings (n, embed_dim), float32, unit length; row i belongs to texts[i].

        >>> Teacher().encode(["My chest hurts.", "No cough."]).shape
        (2, 384)

        Args:
            cache: folder in which embeddings are kept under hashes of what they depend on. By default nothing is kept:
                texts may be what a patient said.

        Raises:
            DataError: one text in place of a list, something that is no text, or a text that no bytes can hold.
            MedAlignError: the embedding of a text is not finite; the message names its row.
        """
        listed = listed_texts(texts)
        if not listed:
            return np.zeros((0, self.embed_dim), np.float32)
        with self._one_at_a_time:
            embedded = self._embed(listed) if cache is None else self._encode_kept(listed, cache)
        return self.checked(embedded)

    def checked(self, embedded: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n dim"]:
        """Raises MedAlignError if an embedding is not finite."""
        if len(bad := np.flatnonzero(~np.isfinite(embedded).all(1))):
            raise MedAlignError(f"{self.info.name} gave no finite embedding for text {bad[0]}; give another --teacher or layer")
        return embedded

    def _embed(self, texts: list[str]) -> np.ndarray:
        def run(model: TextModel, batch: Sequence[str]) -> np.ndarray:
            return model.encode(list(batch))

        return np.concatenate(list(run_in_batches("the teacher", texts, len(texts), run, self.model, self.model.on_cpu)))

    def _encode_kept(self, texts: list[str], cache: Path) -> np.ndarray:
        """One file per teacher and setting: rows by the hash of their text; no text is written."""
        path = cache / f"{_digest(self.description)}.safetensors"
        kept = self._kept(path)
        row = {bytes(key): i for i, key in enumerate(kept["keys"])}
        keys = [bytes.fromhex(_digest(text)) for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in row}
        if new:
            embedded = self._embed(list(new.values()))
            stored = np.concatenate([kept["embeddings"], embedded])
            new_keys = np.array([list(key) for key in new], np.uint8)
            kept = {"keys": np.concatenate([kept["keys"], new_keys]), "embeddings": stored}
            row |= {key: len(row) + i for i, key in enumerate(new)}
            write_tensors(kept, path)
        return kept["embeddings"][[row[key] for key in keys]]

    def _kept(self, path: Path) -> dict[str, np.ndarray]:
        if not path.exists():
            return {"keys": np.zeros((0, 16), np.uint8), "embeddings": np.zeros((0, self.embed_dim), np.float32)}
        kept = read_tensors(path, {"keys": (None, 16), "embeddings": (None, self.embed_dim)}, whole=["keys"], remedy=REMOVE)
        if len(kept["keys"]) != len(kept["embeddings"]):
            raise CheckpointError(f"{path} holds {len(kept['keys'])} keys of {len(kept['embeddings'])} embeddings; {REMOVE}")
        return kept


def listed_texts(texts: Iterable[str]) -> list[str]:
    """Raises DataError: they are no texts that a tokenizer can read."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise DataError(f"a list of texts is expected, and no value of type {type(texts).__name__}; give [text]")
    listed = list(texts)
    for i, text in enumerate(listed):
        if not isinstance(text, str):
            raise DataError(f"text {i} is a {type(text).__name__}; give a list of strings")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"text {i} holds {text[error.start]!r}, half of a character; give it as UTF-8") from error
    return listed


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
