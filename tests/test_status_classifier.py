"""The status classifier: what it reads, how it is combined with the rules, and the grammar that it is trained on."""

import random
import time
from dataclasses import replace

import numpy as np
import pytest

from medalign.concepts import ConceptBank, find_mentions, transcript_from_text
from medalign.core.errors import CheckpointError
from medalign.models.status_classifier import (
    ACTIONS,
    MARKS,
    MAX_TOKENS,
    STATUSES,
    MentionContext,
    StatusClassifier,
    StatusConfig,
    StatusPrediction,
    from_teacher,
)
from medalign.pipeline.assertion import combine, mention_contexts
from medalign.training.status.grammar import Grammar
from medalign.training.status.train_status import draw

BANK = ConceptBank.default()


@pytest.fixture(scope="module")
def classifier() -> StatusClassifier:
    """Untrained: the teacher's layers, heads at random."""
    return StatusClassifier(from_teacher(StatusConfig()).eval(), StatusConfig())


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return Grammar(BANK)


# --- combination ------------------------------------------------------------------------------------------------------


def predicted(status: str, probability: float, other: float = 0.0) -> StatusPrediction:
    row = np.full(len(STATUSES), (1 - probability) / (len(STATUSES) - 1), np.float32)
    row[STATUSES.index(status)] = probability
    return StatusPrediction(row[None], np.array([other], np.float32), np.zeros((1, len(ACTIONS)), np.float32))


def test_a_condition_or_plan_of_the_rules_never_becomes_a_fact() -> None:
    assert combine("hypothetical", predicted("present", 1.0), 0) == "hypothetical"


def test_the_classifier_overrules_only_where_it_is_sure() -> None:
    assert combine("negated", predicted("present", 0.97), 0) == "present"
    assert combine("negated", predicted("present", 0.9), 0) == "negated"
    assert combine("present", predicted("hypothetical", 0.6), 0) == "hypothetical"


def test_another_persons_is_family_and_what_nobody_has_is_negated() -> None:
    assert combine("present", predicted("present", 0.99, other=0.99), 0) == "family"
    assert combine("present", predicted("negated", 0.99, other=0.99), 0) == "negated"


# --- contexts and tokens -----------------------------------------------------------------------------------------------------


def test_a_passage_holds_the_mention_and_who_speaks() -> None:
    transcript = transcript_from_text("Doctor: Any chest pain?\nPatient: No.")
    (context,) = mention_contexts(transcript, find_mentions(transcript, BANK))
    assert context.words[context.start : context.end] == ("chest", "pain?")
    assert context.speakers == ("doctor",) * 3 + ("patient",) and context.breaks == {0, 3}


def test_a_mention_between_words_takes_the_nearest() -> None:
    transcript = transcript_from_text("Doctor: Any chest pain?\nPatient: No.")
    (mention,) = find_mentions(transcript, BANK)
    between = replace(mention, start_s=mention.start_s + 0.01, end_s=mention.start_s + 0.02)
    (context,) = mention_contexts(transcript, [between])
    assert context.end == context.start + 1


@pytest.mark.models
def test_long_words_never_push_the_mention_out(classifier: StatusClassifier) -> None:
    words = ("pneumonoultramicroscopicsilicovolcanoconiosis",) * 40
    context = MentionContext((*words, "cough", *words), ("unknown",) * 81, frozenset({0}), 40, 41)
    ids = classifier.tokens(context)
    assert len(ids) <= MAX_TOKENS and all(ids.count(mark) == 1 for mark in MARKS)


@pytest.mark.models
def test_what_is_read_does_not_depend_on_the_company(classifier: StatusClassifier, grammar: Grammar) -> None:
    some = [example.context for example in draw(grammar, 70, random.Random(1))]
    together = classifier.predict(some)
    alone = classifier.predict(some[3:4])
    np.testing.assert_allclose(together.statuses[3], alone.statuses[0], atol=1e-4)
    assert classifier.predict([]).statuses.shape == (0, len(STATUSES))


@pytest.mark.models
def test_weights_of_another_network_are_refused(tmp_path, classifier: StatusClassifier) -> None:
    classifier.save(tmp_path)
    other = (tmp_path / "config.json").read_text("utf-8").replace('"n_layers": 3', '"n_layers": 4')
    (tmp_path / "config.json").write_text(other, "utf-8")
    with pytest.raises(CheckpointError, match="missing"):
        StatusClassifier.load(tmp_path, device="cpu")


@pytest.mark.models
@pytest.mark.slow
def test_a_mention_takes_ten_milliseconds_at_most(classifier: StatusClassifier, grammar: Grammar) -> None:
    some = [example.context for example in draw(grammar, 200, random.Random(0))]
    classifier.predict(some[:20])
    started = time.process_time()
    classifier.predict(some)
    assert (time.process_time() - started) / len(some) < 0.01


# --- grammar ----------------------------------------------------------------------------------------------------------


def test_every_construction_gives_mentions_with_their_places(grammar: Grammar) -> None:
    rng = random.Random(0)
    for kind, template in grammar.templates:
        examples = grammar.draw(kind, template, rng)
        assert examples or ":" not in template.replace("D:", "").replace("P:", ""), template
        for example in examples:
            context = example.context
            assert 0 <= context.start < context.end <= len(context.words) == len(context.speakers), template
            assert example.status in STATUSES and example.action in ("", *ACTIONS)
            assert not {"{", "}", "[", "]"} & set(" ".join(context.words)), template


def test_a_seed_draws_the_same_again(grammar: Grammar) -> None:
    assert draw(grammar, 50, random.Random(3)) == draw(grammar, 50, random.Random(3))


def test_a_network_begins_as_the_teachers_first_layers() -> None:
    import torch
    from transformers import AutoModel

    from medalign.core.weights import resolve

    teacher = AutoModel.from_pretrained(resolve("all-MiniLM-L6-v2", weight_files=("model.safetensors",)).folder).eval()
    ids = torch.tensor([[101, 2129, 2024, 2017, 102]])
    network = from_teacher(StatusConfig()).eval()
    words = teacher.embeddings.word_embeddings(ids) + teacher.embeddings.token_type_embeddings.weight[0]
    hidden = network.layers(network.norm(words + network.position.weight[:5]))
    with torch.no_grad():
        wanted = teacher(ids, output_hidden_states=True).hidden_states[3]
    np.testing.assert_allclose(hidden.detach().numpy(), wanted.numpy(), atol=1e-4)
