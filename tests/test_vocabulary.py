"""Practice dialogues: every concept of the bank is said, in several ways, as the extractor reads them."""

from collections import Counter

import pytest

from medalign.concepts import ConceptBank, find_mentions_in_text
from medalign.training.data.vocabulary import TEMPLATES, TURNS, practice_dialogues, term_dialogues


@pytest.fixture(scope="module")
def dialogues():
    return practice_dialogues(ConceptBank.default(), 3)


@pytest.mark.slow
def test_nearly_every_concept_is_said_and_read_at_least_twice(dialogues):
    bank = ConceptBank.default()
    counts = Counter()
    for dialogue in dialogues:
        for utterance in dialogue.utterances:
            counts.update({mention.concept_id for mention in find_mentions_in_text(utterance.text, bank)})
    rare = [concept.label for concept in bank.concepts if counts[concept.concept_id] < 2]
    assert len(rare) <= len(bank) // 100, rare


def test_practice_is_for_training_alone_and_no_text_comes_twice(dialogues):
    assert {dialogue.split for dialogue in dialogues} == {"train"}
    texts = [utterance.text for dialogue in dialogues for utterance in dialogue.utterances]
    assert len(texts) == len(set(texts))
    assert max(len(dialogue.utterances) for dialogue in dialogues) == TURNS
    assert len({dialogue.consultation_id for dialogue in dialogues}) == len(dialogues)


@pytest.mark.slow
def test_the_same_seed_writes_the_same_and_another_seed_does_not(dialogues):
    bank = ConceptBank.default()
    assert practice_dialogues(bank, 3) == dialogues
    assert practice_dialogues(bank, 3, seed=1) != dialogues
    assert practice_dialogues(bank, 0) == ()


def test_sentences_that_need_a_noun_say_a_label(dialogues):
    labels = {concept.label for concept in ConceptBank.default().concepts}
    start, end = TEMPLATES["condition"][0].split("{}")
    texts = [utterance.text for dialogue in dialogues for utterance in dialogue.utterances]
    said = [text[len(start) : -len(end)] for text in texts if text.startswith(start) and text.endswith(end)]
    assert len(said) > 5
    assert set(said) <= labels


def test_names_said_once_are_one_speakers_who_needs_one_voice():
    assert {utterance.role for dialogue in term_dialogues(ConceptBank.default()) for utterance in dialogue.utterances} == {
        "patient"
    }
