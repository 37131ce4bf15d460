"""Reference clips of a student of body sounds: what a score is compared with, since by itself it says nothing.

Clips of a place that the student was not trained on, as embeddings with their labels; no sound can be made from them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.numpy import save_file

from medalign.core.errors import CheckpointError
from medalign.models.kernel_head import KernelHead
from medalign.models.student import Student

REFERENCES_FILE = "references.safetensors"
REMEDY = "run `medalign references` again"


@dataclass(frozen=True)
class SoundReferences:
    embeddings: Float[np.ndarray, "n dim"]  # unit vectors
    labels: tuple[str, ...]  # of each clip
    texts: tuple[tuple[str, str], ...]  # the reports that the student learnt from, each wording once, and the label it tells
    place: str  # where the clips are from
    trained_on: str = ""  # what the student was, in words
    familiarity: Float[np.ndarray, " n"] | None = None  # of each clip, as `familiarity`; None as there

    def save(self, folder: Path) -> None:
        told = {"labels": json.dumps(self.labels), "texts": json.dumps(self.texts)}
        told |= {"place": self.place, "trained_on": self.trained_on}
        tensors = {"embeddings": self.embeddings.astype(np.float16)}
        if self.familiarity is not None:
            tensors["familiarity"] = self.familiarity.astype(np.float32)
        save_file(tensors, folder / REFERENCES_FILE, metadata=told)

    @classmethod
    def load(cls, folder: Path) -> "SoundReferences | None":
        """None if the student has none. Raises CheckpointError: the file can't be read."""
        path = folder / REFERENCES_FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, "numpy") as file:
                told, embeddings = file.metadata() or {}, file.get_tensor("embeddings").astype(np.float32)
                familiar = file.get_tensor("familiarity") if "familiarity" in file.keys() else None  # noqa: SIM118 - no dict
            labels = tuple(map(str, json.loads(told["labels"])))
            texts = tuple((str(text), str(label)) for text, label in json.loads(told["texts"]))
            if embeddings.ndim != 2 or len(embeddings) != len(labels) or not len(labels) or not texts:
                raise ValueError(f"{len(labels)} labels for embeddings of shape {embeddings.shape}")
            if familiar is not None and familiar.shape != (len(labels),):
                raise ValueError(f"{len(labels)} labels for familiarity of shape {familiar.shape}")
            return cls(embeddings, labels, texts, told["place"], told.get("trained_on", ""), familiar)
        except Exception as error:  # safetensors has errors of its own kind
            raise CheckpointError(f"{path} can't be read ({error}); {REMEDY}") from error


@torch.inference_mode()
def familiarity(student: Student, waveform: Float[np.ndarray, " samples"]) -> float | None:
    """How like a sound is to what the student learnt from, at most 1; None if its head does not keep that."""
    if not isinstance(student.head, KernelHead):
        return None
    frames = student.frames(waveform)[None].to(student.head.landmarks.device)
    return float(student.head.familiarity(frames, torch.ones(frames.shape[:2], dtype=torch.bool, device=frames.device)))
