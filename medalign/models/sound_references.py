"""Reference clips of a student of body sounds: what a score is compared with, since by itself it says nothing.

Clips of a place that the student was not trained on, as embeddings with their labels; no sound can be made from them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import safe_open

from medalign.core.audio import SAMPLE_RATE_HZ
from medalign.core.errors import CheckpointError
from medalign.core.files import write_tensors
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
    trained_on: str  # what the student was, in words
    length_s: float  # at which each clip was heard
    familiarity: Float[np.ndarray, " n"] | None = None  # of each clip, as in `hear`; None as there

    def save(self, folder: Path) -> None:
        metadata = {"labels": json.dumps(self.labels), "texts": json.dumps(self.texts)}
        metadata |= {"place": self.place, "trained_on": self.trained_on, "length_s": str(self.length_s)}
        tensors = {"embeddings": self.embeddings.astype(np.float16)}
        if self.familiarity is not None:
            tensors["familiarity"] = self.familiarity.astype(np.float32)
        write_tensors(tensors, folder / REFERENCES_FILE, metadata=metadata)

    @classmethod
    def load(cls, folder: Path) -> "SoundReferences | None":
        """None if the student has none. Raises CheckpointError: the file can't be read."""
        path = folder / REFERENCES_FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, "numpy") as file:
                metadata, embeddings = file.metadata() or {}, file.get_tensor("embeddings").astype(np.float32)
                familiar = file.get_tensor("familiarity") if "familiarity" in file.keys() else None  # noqa: SIM118 - no dict
            labels = tuple(map(str, json.loads(metadata["labels"])))
            texts = tuple((str(text), str(label)) for text, label in json.loads(metadata["texts"]))
            if embeddings.ndim != 2 or len(embeddings) != len(labels) or not len(labels) or not texts:
                raise ValueError(f"{len(labels)} labels for embeddings of shape {embeddings.shape}")
            if familiar is not None and familiar.shape != (len(labels),):
                raise ValueError(f"{len(labels)} labels for familiarity of shape {familiar.shape}")
            about = metadata["place"], metadata["trained_on"], float(metadata["length_s"])
            return cls(embeddings, labels, texts, *about, familiar)
        except Exception as error:  # safetensors has errors of its own kind
            raise CheckpointError(f"{path} can't be read ({error}); {REMEDY}") from error


@torch.inference_mode()
def hear(
    student: Student, waveforms: Sequence[Float[np.ndarray, " samples"]], length_s: float
) -> tuple[Float[np.ndarray, "n dim"], Float[np.ndarray, " n"] | None]:
    """Embeddings, and how like each sound is to what the student learnt from, at most 1; None if its head does not keep that.

    Each is heard at one length, cut or repeated: what an encoder's frames are like depends on how many there are.
    """
    heard = [student.frames(np.resize(waveform, round(length_s * SAMPLE_RATE_HZ))) for waveform in waveforms]
    embeddings = np.concatenate([student.embed(frames, [(0.0, length_s)]) for frames in heard])
    head = student.head
    if not isinstance(head, KernelHead):
        return embeddings, None
    on_device = [frames[None].to(head.landmarks.device) for frames in heard]
    familiar = [float(head.familiarity(f, torch.ones_like(f[..., 0], dtype=torch.bool))) for f in on_device]
    return embeddings, np.array(familiar, np.float32)
