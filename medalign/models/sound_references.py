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
from medalign.core.files import read_tensors, reading, typed, write_tensors
from medalign.models.kernel_head import KernelHead
from medalign.models.student import Student

REFERENCES_FILE = "references.safetensors"
LONGEST_S = 600.0
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
    def load(cls, folder: Path, embed_dim: int) -> "SoundReferences | None":
        """None if the student has none. Raises CheckpointError: the file is damaged, or of a student of another width."""
        path = folder / REFERENCES_FILE
        if not path.exists():
            return None
        tensors = read_tensors(path, {"embeddings": (None, embed_dim)}, remedy=REMEDY)
        with reading(f"{path} does not say what its clips are", remedy=REMEDY):
            with safe_open(path, "numpy") as file:
                metadata = file.metadata() or {}
            labels = typed(json.loads(metadata["labels"]), tuple[str, ...])
            texts = typed(json.loads(metadata["texts"]), tuple[tuple[str, str], ...])
            about = metadata["place"], metadata["trained_on"], float(metadata["length_s"])
            if not labels or not texts or not 0 < about[-1] <= LONGEST_S:
                raise ValueError(f"{len(labels)} clips of {about[-1]} s and {len(texts)} reports")
        shapes = {"embeddings": (len(labels), embed_dim), "familiarity": (len(labels),)}
        read_tensors(path, {name: shape for name, shape in shapes.items() if name in tensors}, remedy=REMEDY)
        return cls(tensors["embeddings"].astype(np.float32), labels, texts, *about, tensors.get("familiarity"))


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
