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

    def told_apart(self, pairs: Sequence[Pair]) -> np.ndarray:
        """The embeddings; where pairs are reports, those of the labels in use lie around their own mean, as the reports do."""
        used = sorted({self.names.index(label) for pair in pairs if pair.report_id for label in pair.labels or ()})
        embeddings = self.embeddings.copy()
        if used:
            embeddings[used] = centred(embeddings[used])
        return embeddings

    def mentioned(self, pairs: Sequence[Pair], bank: ConceptBank) -> np.ndarray:
        """(n, k) bool: the labels of each pair; where the manifest has none, what the extractor finds in the text."""
        column = {name: i for i, name in enumerate(self.names)}
        read = {pair.text for pair in pairs if pair.labels is None}
        found = {text: [mention.concept_id for mention in find_mentions_in_text(text, bank)] for text in read}
        mentioned = np.zeros((len(pairs), len(self.names)), bool)
        for i, pair in enumerate(pairs):
            labels = found[pair.text] if pair.labels is None else pair.labels
            mentioned[i, [column[label] for label in labels]] = True
        return mentioned


def text_targets(pairs: Sequence[Pair], teacher: Teacher, cache: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """What each pair's audio is to lie near, (n, d) of unit length, and a number that is equal for equal targets, (n,).

    Without reports, the text's embedding. Reports that were written from the same metadata share one target, the mean of
    their wordings, and the mean of all reports is taken off: "normal" and "abnormal heart sounds" stand at cosine 0.92, two
    wordings of one of them at 0.84, so that as they are the wording would be learnt before the meaning.
    """
    texts, text_id = np.unique([pair.text for pair in pairs], return_inverse=True)
    embeddings = teacher.encode(list(texts), cache=cache)
    if not any(pair.report_id for pair in pairs):
        return embeddings[text_id], text_id
    said = np.unique([pair.report_id or pair.text for pair in pairs], return_inverse=True)[1]
    wordings = [np.unique(text_id[said == i]) for i in range(said.max() + 1)]
    targets = _unit(np.stack([embeddings[found].mean(0) for found in wordings]))
    return centred(targets)[said], said


def centred(embeddings: np.ndarray) -> np.ndarray:
    """Unit vectors (n, d) from the mean of them; as they are if there is one, or all are alike."""
    away = embeddings - embeddings.mean(0)
    return embeddings if np.abs(away).max() < 1e-4 else _unit(away)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9)).astype(np.float32)


def make_targets(pairs: Pairs, teacher: Teacher, bank: ConceptBank, vocabulary: Vocabulary, cache: Path | None) -> Targets:
    """Every distinct text once; of the concepts, those that the pairs mention often enough, told apart as reports are."""
    text, text_id = text_targets(pairs.pairs, teacher, cache)
    mentioned = vocabulary.mentioned(pairs.pairs, bank)
    frequent = mentioned.sum(0) >= min(MIN_TRAIN_MENTIONS, max(1, len(pairs.pairs) // 100))
    return Targets(
        text=torch.from_numpy(text),
        text_id=torch.from_numpy(text_id),
        concepts=torch.from_numpy(vocabulary.told_apart(pairs.pairs)[frequent]),
        mentioned=torch.from_numpy(mentioned[:, frequent]),
    )
