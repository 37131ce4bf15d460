"""The teacher reads texts alone or together, padded or not, the same way; and keeps no text on disk."""

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

from medalign.core.errors import MedAlignError, WeightsError
from medalign.models.teacher import Teacher

TEXTS = ["my chest hurts", "i have had a cough for two weeks and it is worse at night", "no"]


@pytest.fixture(scope="module")
def minilm():
    return Teacher()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A causal language model with random weights and a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    path = tmp_path_factory.mktemp("causal")
    words = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {word: i for i, word in enumerate(["<end>", "<unknown>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<unknown>").save_pretrained(path)
    torch.manual_seed(0)
    config = GPT2Config(n_layer=3, n_head=2, n_embd=16, vocab_size=len(vocabulary), n_positions=64)
    GPT2Model(config).save_pretrained(path)
    return path


def test_a_causal_model_is_the_mean_over_real_tokens_of_one_layer(folder):
    teacher = Teacher(str(folder), layer=2)
    model, ids = GPT2Model.from_pretrained(folder).eval(), teacher._model._tokenizer(TEXTS[0], return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**ids, output_hidden_states=True).hidden_states[2][0].mean(0)
    expected = (hidden / hidden.norm()).numpy()
    assert teacher.embed_dim == 16
    assert np.abs(teacher.encode(TEXTS)[0] - expected).max() < 1e-5  # padded to the longest of the batch
    assert np.abs(teacher.encode(TEXTS[:1])[0] - expected).max() < 1e-5
    assert np.abs(Teacher(str(folder), layer=-1).encode(TEXTS[:1])[0] - expected).max() > 1e-2


def test_a_prompt_and_a_cut_change_the_embedding(folder):
    plain = Teacher(str(folder)).encode(TEXTS[1:2])
    assert np.abs(Teacher(str(folder), prompt="no cough {}").encode(TEXTS[1:2]) - plain).max() > 1e-3
    cut = Teacher(str(folder), max_tokens=3)
    assert np.allclose(cut.encode(TEXTS[1:2]), Teacher(str(folder)).encode(["i have had"]), atol=1e-5)


@pytest.mark.parametrize("kind", ["sentence encoder", "causal"])
def test_tokens_are_the_real_ones_at_unit_length(kind, minilm, folder):
    teacher = minilm if kind == "sentence encoder" else Teacher(str(folder))
    alone = [teacher.encode_tokens([text])[0] for text in TEXTS]
    together = teacher.encode_tokens(TEXTS)
    for text, a, b in zip(TEXTS, alone, together, strict=True):
        assert len(a) == len(b) >= len(text.split())
        assert np.abs(a - b).max() < 1e-5
        assert np.linalg.norm(a, axis=1) == pytest.approx(1, abs=1e-5)
    assert len(together[2]) == 1  # "no": marks at its ends and padding are left out


def test_kept_embeddings_are_the_same_and_hold_no_text(minilm, tmp_path, monkeypatch):
    fresh = minilm.encode(TEXTS)
    assert np.array_equal(minilm.encode(TEXTS[:2], cache=tmp_path), minilm.encode(TEXTS[:2]))
    seen = []
    original = minilm._model.encode
    monkeypatch.setattr(minilm._model, "encode", lambda texts: seen.append(texts) or original(texts))
    assert np.abs(minilm.encode([*TEXTS, TEXTS[0]], cache=tmp_path) - fresh[[0, 1, 2, 0]]).max() < 1e-6
    assert seen == [["no"]]  # only what was new
    minilm.encode(TEXTS, cache=tmp_path)
    assert len(seen) == 1
    (path,) = tmp_path.iterdir()
    assert b"chest" not in path.read_bytes()


def test_other_settings_have_embeddings_of_their_own(folder, tmp_path):
    a, b = (Teacher(str(folder), layer=layer).encode(TEXTS, cache=tmp_path) for layer in (1, 2))
    assert len(list(tmp_path.iterdir())) == 2 and not np.allclose(a, b)


def test_an_embedding_that_is_not_finite_is_an_error_with_its_row(minilm, monkeypatch):
    bad = np.ones((3, 384), np.float32)
    bad[1] = np.nan
    monkeypatch.setattr(minilm._model, "encode", lambda texts: bad)
    with pytest.raises(MedAlignError, match="text 1"):
        minilm.encode(TEXTS)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("all-MiniLM-L6-v2", {"layer": 3}, "sentence encoder"),
        ("causal", {"layer": 9}, "no layer 9"),
        ("causal", {"prompt": "no place"}, "exactly one"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(name, options, told, folder):
    with pytest.raises(WeightsError, match=told):
        Teacher(str(folder) if name == "causal" else name, **options)


def test_no_text_gives_no_rows(minilm):
    assert minilm.encode([]).shape == (0, 384)
