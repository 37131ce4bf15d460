"""A mention as it was said, and in a note's words the sense that it was said in; the wrong text tells another sense.

Senses come from mentions that were labelled by reading, and from the grammar that the status classifier learns from.
"""

import random
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.training.adaptation.pairs import TextPair
from medalign.training.adaptation.synonyms import is_kept_back
from medalign.training.data.consultations import Consultation
from medalign.training.status.grammar import Example, Grammar
from medalign.training.status.labels import labelled_mentions

BEFORE, AFTER = 10, 12  # words around a mention: a question has its answer after it
N_DRAWN = 6_000  # examples of the grammar
LABEL_SHARE = 0.7  # of restatements that use the concept's label in place of the words said
SENSES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def sense_pairs(consultations: Sequence[Consultation], bank: ConceptBank, seed: int) -> list[TextPair]:
    """Pairs of labelled mentions in these consultations, and as many as `N_DRAWN` of the grammar."""
    rng = random.Random(seed)
    grammar = Grammar(bank, [(u.role, u.text) for c in consultations for u in c.utterances])
    drawn = grammar.examples(N_DRAWN, rng)
    labelled = [example for examples in labelled_mentions(consultations).values() for example in examples]
    return list(_pairs([*labelled, *drawn], bank, rng))


def _pairs(examples: Iterable[Example], bank: ConceptBank, rng: random.Random) -> Iterable[TextPair]:
    @cache
    def label_of(mention: str) -> str:
        return next((bank[m.concept_id].label for m in find_mentions_in_text(mention, bank)), mention)

    for example in examples:
        sense = _sense(example)
        if sense is None:
            continue
        context = example.context.cut(BEFORE, AFTER)
        mention = " ".join(context.words[context.start : context.end]).strip(".,?!;:").lower()
        label = label_of(mention)
        if is_kept_back(label, bank) or is_kept_back(mention, bank):
            continue
        name = label if rng.random() < LABEL_SHARE else mention
        right, wrong = (rng.choice(SENSES[s]["wordings"]).format(name) for s in (sense, rng.choice(SENSES[sense]["taken_for"])))
        yield TextPair(" ".join(context.words), _sentence(right), _sentence(wrong), frozenset([label]))


def _sense(example: Example) -> str | None:
    """The key of `SENSES`; None where nothing is stated of anybody."""
    if example.status not in ("present", "negated", "resolved", "historical", "uncertain", "hypothetical"):
        return None
    if example.is_other and example.status != "negated":
        return "other"
    if example.action in SENSES:
        return example.action
    return "past" if example.status in ("resolved", "historical") else example.status


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
