"""Concepts as vectors in the teacher's space.

Conventions: embeddings are unit vectors (k, d), one per concept in the bank's order.
"""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medalign.concepts import Concept
from medalign.core.files import read_tensors, write_tensors
from medalign.models.teacher import Teacher

log = logging.getLogger(__name__)

# What a patient or doctor says when the concept comes up; averaging over several wordings steadies the embedding.
TEMPLATES = ("{}", "I have {}.", "Have you had any {}?", "The patient has {}.")
N_SYNONYMS = 4  # of the bank's, beside the label
CONCEPTS_FILE = "concepts.safetensors"
Embeddings = Float[np.ndarray, "k dim"]


def concept_embeddings(teacher: Teacher, concepts: Sequence[Concept], *, cache: Path | None = None) -> Embeddings:
    """One unit vector per concept: the mean over its label in every template and its first synonyms.

    Args:
        cache: see `Teacher.encode`.

    Source: prompt ensembling of CLIP (arXiv 2103.00020, section 3.1.4).
    """
    texts = [(i, wording) for i, concept in enumerate(concepts) for wording in _wordings(concept)]
    embedded = teacher.encode([wording for _, wording in texts], cache=cache)
    sums = np.zeros((len(concepts), teacher.embed_dim), np.float32)
    np.add.at(sums, [i for i, _ in texts], embedded)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def stored_concept_embeddings(
    folder: Path, teacher: Teacher, concepts: Sequence[Concept], *, cache: Path | None = None
) -> Embeddings:
    """`concept_embeddings`, read from the student's folder if they were stored for these very texts and this teacher.

    Embedding a bank takes a laptop most of a minute, which would be most of the start of the page.

    Args:
        cache: for what is not stored; see `Teacher.encode`.

    Raises:
        CheckpointError: the file is there, but damaged.
    """
    path = folder / CONCEPTS_FILE
    remedy = "remove it, or run `medalign calibrate` again"
    stored = read_tensors(path, remedy=remedy) if path.exists() else {}
    key = _concepts_key(teacher, concepts)
    if key not in stored:
        log.warning("embedding %d concepts, which takes a minute: %s holds none for this teacher", len(concepts), folder)
        return concept_embeddings(teacher, concepts, cache=cache)
    return read_tensors(path, {key: (len(concepts), teacher.embed_dim)}, remedy=remedy)[key].astype(np.float32)


def save_concept_embeddings(folder: Path, teacher: Teacher, concepts: Sequence[Concept], embeddings: np.ndarray) -> None:
    write_tensors({_concepts_key(teacher, concepts): embeddings.astype(np.float16)}, folder / CONCEPTS_FILE)


def _concepts_key(teacher: Teacher, concepts: Sequence[Concept]) -> str:
    """A hash of everything that the embeddings depend on."""
    content = "\n".join([teacher.info.revision, *(wording for concept in concepts for wording in _wordings(concept))])
    return hashlib.sha256(content.encode()).hexdigest()


def _wordings(concept: Concept) -> list[str]:
    return [template.format(concept.label) for template in TEMPLATES] + list(concept.synonyms[:N_SYNONYMS])
