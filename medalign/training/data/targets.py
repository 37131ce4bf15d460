"""The teacher's side of a set of pairs: texts and concepts embedded once, before the loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.core.assets import CHECKPOINTS
from medalign.models.concept_embeddings import stored_concept_embeddings
from medalign.models.student import DEFAULT_STUDENT
from medalign.models.teacher import Teacher
from medalign.training.data.pairs import Pair, Pairs
from medalign.training.objective import Targets

MIN_TRAIN_MENTIONS = 3  # a concept with fewer is no training target


@dataclass(frozen=True)
class Vocabulary:
    """The concepts that pairs are labelled with: the bank's, and any other word that a manifest uses as a label."""

    names: tuple[str, ...]
    embeddings: np.ndarray  # (k, d) unit length

    @classmethod
    def of(cls, pairs: Sequence[Pair], teacher: Teacher, bank: ConceptBank, cache: Path | None = None) -> "Vocabulary":
        """A label that is no identifier of the bank is its own text: `labels` may say "crackles"."""
        custom = sorted({label for pair in pairs for label in pair.labels or () if label not in bank.column})
        embeddings = stored_concept_embeddings(CHECKPOINTS / DEFAULT_STUDENT, teacher, bank.concepts, cache=cache)
        if custom:
            embeddings = np.concatenate([embeddings, teacher.encode([label.replace("_", " ") for label in custom])])
        return cls((*(concept.concept_id for concept in bank.concepts), *custom), embeddings)

    def mentioned(self, pairs: Sequence[Pair], bank: ConceptBank) -> np.ndarray:
        """(n, k) bool: the labels of each pair; where the manifest has none, what the extractor finds in the text."""
        column = {name: i for i, name in enumerate(self.names)}
        found: dict[str, list[str]] = {}
        mentioned = np.zeros((len(pairs), len(self.names)), bool)
        for i, pair in enumerate(pairs):
            labels: Sequence[str]
            if pair.labels is not None:
                labels = pair.labels
            else:
                if pair.text not in found:
                    found[pair.text] = [mention.concept_id for mention in find_mentions_in_text(pair.text, bank)]
                labels = found[pair.text]
            mentioned[i, [column[label] for label in labels]] = True
        return mentioned


def make_targets(pairs: Pairs, teacher: Teacher, bank: ConceptBank, vocabulary: Vocabulary, cache: Path | None) -> Targets:
    """Every distinct text once; of the concepts, those that the pairs mention often enough."""
    texts, text_id = np.unique([pair.text for pair in pairs.pairs], return_inverse=True)
    mentioned = vocabulary.mentioned(pairs.pairs, bank)
    frequent = mentioned.sum(0) >= min(MIN_TRAIN_MENTIONS, max(1, len(pairs.pairs) // 100))
    return Targets(
        text=torch.from_numpy(teacher.encode(list(texts), cache=cache)[text_id]),
        text_id=torch.from_numpy(text_id),
        concepts=torch.from_numpy(vocabulary.embeddings[frequent]),
        mentioned=torch.from_numpy(mentioned[:, frequent]),
    )
