"""Dialogues that say the concepts of the bank, written from templates, to train on and to measure names with.

Collections of consultations say a few concepts often and most of them never. A student can hear only what it was taught:
without these dialogues the shipped one gave insect bites, a pacemaker or salbutamol an average precision of 0.02, and
concepts with a hundred mentions in training one of 0.9. The dialogues are nonsense as medicine. Nothing is
measured on those for practice, and nothing is trained on those for measuring; their sentences differ.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medalign.concepts import ConceptBank
from medalign.training.data.consultations import Consultation, Role, Split, Utterance

TEMPLATES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
SAID_ONCE = "terms"  # how identifiers of dialogues begin in which each name is said once
TURNS = 30  # a dialogue, as long as a short consultation
LABEL_SHARE = 0.4  # of the mentions say the label, the others a synonym


def practice_dialogues(bank: ConceptBank, n_mentions: int, *, seed: int = 0) -> tuple[Consultation, ...]:
    """Dialogues for training in which each concept of the bank is said about `n_mentions` times; no sentence comes twice.

    Args:
        seed: draws wordings, templates and the order.
    """
    rng = np.random.default_rng([seed, n_mentions])
    sentences = list(dict.fromkeys(_sentences(bank, n_mentions, rng)))
    return _dialogues("practice", "train", sentences, ("doctor", "patient"), rng)


def term_dialogues(bank: ConceptBank, *, seed: int = 0) -> tuple[Consultation, ...]:
    """Speeches of one person, for measuring, in which each medicine and disease of the bank is said once, by its label."""
    rng = np.random.default_rng([seed, len(bank)])
    templates = {"medicine": TEMPLATES["medicine_term"], "diagnosis": TEMPLATES["disease_term"]}
    sentences = [
        templates[concept.category][rng.integers(len(templates[concept.category]))].format(concept.label)
        for concept in bank.concepts
        if concept.category in templates
    ]
    return _dialogues(SAID_ONCE, "valid", sentences, ("patient",), rng)


def _dialogues(
    name: str, split: Split, sentences: list[str], roles: tuple[Role, ...], rng: np.random.Generator
) -> tuple[Consultation, ...]:
    """Each sentence by the next role."""
    rng.shuffle(sentences)
    return tuple(
        Consultation(
            f"{name}-{number:03d}",
            split,
            tuple(Utterance(roles[i % len(roles)], text) for i, text in enumerate(sentences[start : start + TURNS])),
        )
        for number, start in enumerate(range(0, len(sentences), TURNS))
    )


def _sentences(bank: ConceptBank, n_mentions: int, rng: np.random.Generator) -> Iterator[str]:
    for _ in range(n_mentions):
        for concept in bank.concepts:
            label = not concept.synonyms or rng.random() < LABEL_SHARE
            of_label = "medicine" if concept.category == "medicine" else "condition"
            templates = TEMPLATES[of_label if label else "loose"]
            template = templates[rng.integers(len(templates))]
            wordings = [concept.label if label else str(rng.choice(concept.synonyms))]
            if template.count("{}") == 2:
                is_medicine = concept.category == "medicine"
                alike = [c.label for c in bank.concepts if (c.category == "medicine") == is_medicine and c != concept]
                wordings.append(alike[rng.integers(len(alike))])
            sentence = template.format(*wordings)
            yield sentence[0].upper() + sentence[1:]
