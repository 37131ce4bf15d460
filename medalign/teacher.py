"""The semantic teacher: a frozen language model that reads text. The only door to sentence-transformers."""

from collections.abc import Sequence

import numpy as np

from medalign.analysis import ModelInfo
from medalign.errors import WeightsError
from medalign.weights import resolve

DEFAULT_TEACHER = "all-MiniLM-L6-v2"
_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")


class Teacher:
    """Text to embedding. Never part of a trained module, so no `train()` call can reach it."""

    def __init__(self, name: str = DEFAULT_TEACHER, *, device: str = "cpu"):
        """Load a teacher by pinned name, folder or Hub name.

        A folder without a sentence-transformers configuration (a plain language model) is pooled by masked mean over its
        last hidden states, which is what sentence-transformers does with it.

        Raises:
            WeightsError: unknown name, missing or altered files, or files of another kind of model.
        """
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # standard error is for the one line that says what went wrong
        weights = resolve(name, weight_files=_WEIGHT_FILES)
        try:
            self._model = SentenceTransformer(str(weights.folder), device=device, local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise WeightsError(f"'{name}' can't be loaded as a text model ({reason}); give another --teacher") from error
        self._model.eval().requires_grad_(False)
        self.info = ModelInfo(weights.name, weights.revision)

    @property
    def embed_dim(self) -> int:
        return self._model.get_embedding_dimension()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings (n, embed_dim), float32, unit length; row i belongs to texts[i].

        Nothing is cached: texts may be what a patient said.
        """
        if not texts:
            return np.zeros((0, self.embed_dim), np.float32)
        return self._model.encode(
            list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False, batch_size=64
        )
