"""Dialogues that say the concepts of the bank, written from templates, to train on and to measure names with.

Collections of consultations say a few concepts often and most of them never. A student can hear only what it was taught:
without these dialogues the shipped one gave insect bites, a pacemaker or salbutamol an average precision of 0.02, and
concepts with a hundred mentions in training one of 0.9. The dialogues are nonsense as medicine. Nothing is
measured on those for practice, and nothing is trained on those for measuring; their sentences differ.
"""

from collections.abc import Iterator

import numpy as np

from medalign.concepts import Concept, ConceptBank
from medalign.training.data.consultations import Consultation, Role, Split, Utterance

# Said of a label, which is a noun; {} is a concept, and a second {} another one.
CONDITION = (
    "I've been having {} for about two weeks now.",
    "Have you had any {} recently?",
    "No, I haven't had any {}.",
    "My mother had {} when she was my age.",
    "They told me at the hospital that it was {}.",
    "Is there any {} in the family?",
    "The {} comes and goes, but it's worse at night.",
    "I'm worried that this could be {}.",
    "I had {} a few years ago, but it got better.",
    "It might be {}, but let's not rush to conclusions.",
    "So you have {} on your record, is that right?",
    "It started with {}, and then I had {}.",
    "Any {}, or {}?",
    "I came in because of the {}, and also the {}.",
)
MEDICINE = (
    "I take {} in the morning and at night.",
    "Are you allergic to {}?",
    "We could start you on {} and see how it goes.",
    "I stopped the {} two weeks ago.",
    "The pharmacist gave me {}.",
    "Have you tried {} at all?",
    "She has been on {} since last year.",
    "It says {} on the box.",
    "I would like to increase your {}.",
    "Does the {} upset your stomach?",
    "No, I've never had {}.",
    "Take the {} with food, and the {} before bed.",
    "They switched me from {} to {}.",
)
# Said of other wordings, which may be of any form: "short of breath", "can't sleep".
LOOSE = (
    "Well, {}, if that makes sense.",
    "When you say {}, what do you mean?",
    "It's more like {}, I suppose.",
    "{}, yes, that is the word for it.",
    "So, {}. When did that start?",
    "And what about {}? Is that something you've noticed?",
    "Not really {}, no.",
    "I wrote down {} so that I wouldn't forget to tell you.",
    "You mentioned {} on the phone.",
    "First it was {}, and now it's {}.",
)
# Kept out of practice: dialogues that measure how names are read, each medicine and disease once.
MEDICINE_TERM = (
    "The doctor before you put me on {}.",
    "I ran out of {} on Tuesday.",
    "Do you still use {}?",
    "I think we should try {} next.",
    "He gets {} from the chemist.",
    "How long have you been taking {}?",
    "I read that {} can make you drowsy.",
)
DISEASE_TERM = (
    "My GP thinks I may have {}.",
    "Were you ever treated for {}?",
    "The letter says {}.",
    "My sister died of {}.",
    "I was told it is {} last spring.",
    "We need to talk about your {}.",
    "What can I do about {}?",
)
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
    templates = {"medicine": MEDICINE_TERM, "diagnosis": DISEASE_TERM}
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
            templates = (MEDICINE if concept.category == "medicine" else CONDITION) if label else LOOSE
            template = templates[rng.integers(len(templates))]
            wordings = [concept.label if label else str(rng.choice(concept.synonyms))]
            if template.count("{}") == 2:
                wordings.append(_another(bank, concept, rng).label)
            sentence = template.format(*wordings)
            yield sentence[0].upper() + sentence[1:]


def _another(bank: ConceptBank, concept: Concept, rng: np.random.Generator) -> Concept:
    alike = [c for c in bank.concepts if (c.category == "medicine") == (concept.category == "medicine") and c != concept]
    return alike[rng.integers(len(alike))]
