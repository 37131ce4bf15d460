"""The status classifier: what it reads, how it is combined with the rules, and the grammar that it is trained on."""

import json
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertTokenizer, PreTrainedTokenizerFast

from medalign.concepts import ConceptBank, find_mentions, transcript_from_text
from medalign.core.errors import CheckpointError, DataError
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
from medalign.pipeline.assertion import combine, mention_contexts, revised
from medalign.training.model_card import status_card
from medalign.training.recipe import StatusRecipe
from medalign.training.status.grammar import Grammar
from medalign.training.status.labels import PAST
from medalign.training.status.train_status import _status_label, train_status
from medalign.training.status.tutor import Tutor, distillation_loss

BANK = ConceptBank.default()


@pytest.fixture(scope="module")
def classifier() -> StatusClassifier:
    """Untrained: the teacher's layers, heads at random."""
    return StatusClassifier(from_teacher(StatusConfig()).eval(), StatusConfig())


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return Grammar(BANK)


# --- combination ------------------------------------------------------------------------------------------------------


def predicted(status: str, probability: float, other: float = 0.0, fact: float = 1.0) -> StatusPrediction:
    row = np.full(len(STATUSES), (1 - probability) / (len(STATUSES) - 1), np.float32)
    row[STATUSES.index(status)] = probability
    actions = np.zeros((1, len(ACTIONS)), np.float32)
    return StatusPrediction(row[None], np.array([other], np.float32), actions, np.array([fact], np.float32))


class Says:
    """A classifier that says the same of every mention."""

    def __init__(self, *said: StatusPrediction):
        self._said = said

    def predict(self, contexts: list[MentionContext]) -> StatusPrediction:
        rows = [self._said[i % len(self._said)] for i in range(len(contexts))]
        columns = ("statuses", "other", "actions", "facts")
        return StatusPrediction(*(np.concatenate([getattr(row, column) for row in rows]) for column in columns))


def test_what_is_no_fact_is_left_out() -> None:
    transcript = transcript_from_text("Doctor: Fever is common in children.\nPatient: I have a cough.")
    mentions = find_mentions(transcript, BANK)
    general, fact = predicted("present", 0.99, fact=0.001), predicted("present", 0.99)
    (left,) = revised(transcript, mentions, BANK, Says(general, fact))
    assert BANK[left.concept_id].label == "cough" and len(mentions) == 2
    assert revised(transcript, mentions, BANK, Says(general)) == ()


def test_a_condition_or_plan_of_the_rules_never_becomes_a_fact() -> None:
    assert combine("hypothetical", predicted("present", 1.0), 0) == "hypothetical"


def test_the_classifier_overrules_only_where_it_is_sure() -> None:
    assert combine("negated", predicted("present", 0.98), 0) == "present"
    assert combine("negated", predicted("present", 0.95), 0) == "negated"
    assert combine("present", predicted("hypothetical", 0.8), 0) == "hypothetical"


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
    some = [example.context for example in grammar.examples(70, random.Random(1))]
    together = classifier.predict(some)
    alone = classifier.predict(some[3:4])
    np.testing.assert_allclose(together.statuses[3], alone.statuses[0], atol=1e-4)
    assert classifier.predict([]).statuses.shape == (0, len(STATUSES))


@pytest.mark.models
def test_weights_of_another_network_are_refused(tmp_path, classifier: StatusClassifier) -> None:
    classifier.save(tmp_path)
    other = (tmp_path / "config.json").read_text("utf-8").replace('"n_layers": 6', '"n_layers": 7')
    (tmp_path / "config.json").write_text(other, "utf-8")
    with pytest.raises(CheckpointError, match="missing"):
        StatusClassifier.load(tmp_path, device="cpu")


@pytest.mark.models
@pytest.mark.slow
def test_a_mention_takes_ten_milliseconds_at_most(classifier: StatusClassifier, grammar: Grammar) -> None:
    some = [example.context for example in grammar.examples(200, random.Random(0))]
    classifier.predict(some[:20])
    started = time.process_time()
    classifier.predict(some)
    assert (time.process_time() - started) / len(some) < 0.01


# --- grammar ----------------------------------------------------------------------------------------------------------


def test_every_construction_gives_mentions_with_their_places(grammar: Grammar) -> None:
    rng = random.Random(0)
    for kind, template in grammar.templates:
        # Of alternatives, one may hold no mention: "if you [feel better|have {s:y}]".
        examples = next(filter(None, (grammar.draw(kind, template, rng) for _ in range(20))), [])
        assert examples or ":" not in template.replace("D:", "").replace("P:", ""), template
        for example in examples:
            context = example.context
            assert 0 <= context.start < context.end <= len(context.words) == len(context.speakers), template
            assert example.status in STATUSES and example.action in ("", *ACTIONS)
            assert not {"{", "}", "[", "]"} & set(" ".join(context.words)), template


def test_a_seed_draws_the_same_again(grammar: Grammar) -> None:
    assert grammar.examples(50, random.Random(3)) == grammar.examples(50, random.Random(3))


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
        wanted = teacher(ids, output_hidden_states=True).hidden_states[6]
    np.testing.assert_allclose(hidden.detach().numpy(), wanted.numpy(), atol=1e-4)


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_tutor(tmp_path_factory) -> Path:
    """A random BERT whose vocabulary is the teacher's, backwards."""
    from transformers import BertConfig, BertModel, BertTokenizer

    from medalign.core.weights import resolve

    teacher, folder = resolve("all-MiniLM-L6-v2", weight_files=("model.safetensors",)).folder, tmp_path_factory.mktemp("tutor")
    vocabulary = json.loads((teacher / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    words = sorted(vocabulary, key=vocabulary.__getitem__, reverse=True)
    BertTokenizer(vocab={word: at for at, word in enumerate(words)}).save_pretrained(folder)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words), **small), add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.mark.models
def test_a_tutor_reads_the_same_words_in_its_own_vocabulary(small_tutor: Path, classifier: StatusClassifier) -> None:
    tutor = Tutor(str(small_tutor), classifier)
    own = PreTrainedTokenizerFast.from_pretrained(small_tutor)
    row = classifier.tokens(MentionContext(("No", "chest", "pain"), ("doctor",) * 3, frozenset({0}), 1, 3))
    told = own.convert_ids_to_tokens(tutor._own_ids[row].tolist())
    assert told == ["[CLS]", "[unused0]", "no", "[unused3]", "chest", "pain", "[unused4]", "[SEP]"]
    with torch.no_grad():
        assert [head.shape for head in tutor.logits([row, row[:-2]])] == [(2, len(STATUSES)), (2, 2), (2, len(ACTIONS)), (2, 2)]


@pytest.mark.models
def test_a_tutor_without_the_vocabulary_is_refused(small_tutor: Path, classifier: StatusClassifier, tmp_path: Path) -> None:
    shutil.copytree(small_tutor, tmp_path, dirs_exist_ok=True)
    kept = {word: at for word, at in PreTrainedTokenizerFast.from_pretrained(tmp_path).get_vocab().items() if word != "pain"}
    BertTokenizer(vocab={word: at for at, word in enumerate(sorted(kept, key=kept.__getitem__))}).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="lacks 1 words.*'pain'"):
        Tutor(str(tmp_path), classifier)


def test_a_tutors_probabilities_are_what_is_learnt() -> None:
    theirs = tuple(torch.randn(3, n) for n in (6, 2, 8, 2))
    known, weights = (
        [torch.tensor([0, 2]), torch.tensor([1]), torch.tensor([], dtype=torch.long), torch.tensor([0])],
        (1.0,) * 4,
    )
    own = tuple((head + 1.0).requires_grad_() for head in theirs)  # the same probabilities
    assert abs(distillation_loss(own, theirs, weights, known).item()) < 1e-6
    other = tuple((-head).requires_grad_() for head in theirs)
    loss = distillation_loss(other, theirs, weights, known)
    loss.backward()
    assert loss.item() > 0
    assert other[0].grad[1].abs().sum() == 0 and other[2].grad is None, "only of rows that count"


@pytest.mark.models
@pytest.mark.parametrize("is_tutored", [False, True])
def test_training_writes_a_classifier_that_loads_and_tells_how(small_tutor: Path, tmp_path: Path, is_tutored: bool) -> None:
    recipe = StatusRecipe(n_examples=24, n_labelled=8, batch=8, n_layers=1, tutor=str(small_tutor) if is_tutored else "")
    figures = train_status(recipe, tmp_path)
    (tmp_path / "training.json").write_text(json.dumps(figures), encoding="utf-8")
    trained = StatusClassifier.load(tmp_path, device="cpu")
    assert trained.config.n_layers == 1 and figures["sessions"][0]["recipe"]["tutor"] == recipe.tutor
    assert ("with the tutor" in status_card(figures)) == is_tutored
    begun = from_teacher(trained.config).state_dict()["position.weight"]
    assert (trained.network.position.weight - begun).abs().max() > 1e-4, "it has learnt"

    more = train_status(replace(recipe, start=str(tmp_path), tutor="", n_examples=8, keep=0.5), tmp_path / "more")
    went_on = StatusClassifier.load(tmp_path / "more", device="cpu").network.position.weight
    assert [session["recipe"]["start"] for session in more["sessions"]] == ["", str(tmp_path)]
    assert 0 < (went_on - trained.network.position.weight).abs().max() < (went_on - begun).abs().max(), "from where it was"


def test_of_what_is_only_known_to_be_past_the_likelier_way_is_learnt() -> None:
    logits = torch.zeros(len(STATUSES))
    logits[STATUSES.index("historical")] = 1.0
    assert STATUSES[_status_label(PAST, logits)] == "historical" and STATUSES[_status_label("negated", logits)] == "negated"


def test_weights_are_kept_only_of_a_classifier_to_go_on_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--start"):
        train_status(StatusRecipe(keep=0.5), tmp_path)
