"""Reference clips of a student of body sounds: what a score is compared with, since by itself it says nothing.

Clips of a place that the student was not trained on, as embeddings with their labels; no sound can be made from them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors import safe_open
from safetensors.numpy import save_file

from medalign.core.errors import CheckpointError

REFERENCES_FILE = "references.safetensors"
REMEDY = "run `medalign references` again"


@dataclass(frozen=True)
class SoundReferences:
    embeddings: Float[np.ndarray, "n dim"]  # unit vectors
    labels: tuple[str, ...]  # of each clip
    texts: tuple[tuple[str, str], ...]  # the reports that the student learnt from, each wording once, and the label it tells
    place: str  # where the clips are from

    def save(self, folder: Path) -> None:
        told = {"labels": json.dumps(self.labels), "texts": json.dumps(self.texts), "place": self.place}
        save_file({"embeddings": self.embeddings.astype(np.float16)}, folder / REFERENCES_FILE, metadata=told)

    @classmethod
    def load(cls, folder: Path) -> "SoundReferences | None":
        """None if the student has none. Raises CheckpointError: the file can't be read."""
        path = folder / REFERENCES_FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, "numpy") as file:
                told, embeddings = file.metadata() or {}, file.get_tensor("embeddings").astype(np.float32)
            labels = tuple(map(str, json.loads(told["labels"])))
            texts = tuple((str(text), str(label)) for text, label in json.loads(told["texts"]))
            if embeddings.ndim != 2 or len(embeddings) != len(labels) or not len(labels) or not texts:
                raise ValueError(f"{len(labels)} labels for embeddings of shape {embeddings.shape}")
            return cls(embeddings, labels, texts, told["place"])
        except Exception as error:  # safetensors has errors of its own kind
            raise CheckpointError(f"{path} can't be read ({error}); {REMEDY}") from error
