"""The teacher reads texts alone or together, padded or not, the same way; and keeps no text on disk."""

import ast
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, BertTokenizer, GPT2Config, GPT2Model, PreTrainedTokenizerFast

import medalign
from medalign.core.errors import DataError, MedAlignError, WeightsError
from medalign.core.files import write_tensors
from medalign.core.weights import is_revision
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
    model, ids = GPT2Model.from_pretrained(folder).eval(), teacher.model._tokenizer(TEXTS[0], return_tensors="pt")
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


def test_kept_embeddings_are_the_same_and_hold_no_text(minilm, tmp_path, monkeypatch):
    fresh = minilm.encode(TEXTS)
    assert np.array_equal(minilm.encode(TEXTS[:2], cache=tmp_path), minilm.encode(TEXTS[:2]))
    seen = []
    original = minilm.model.encode
    monkeypatch.setattr(minilm.model, "encode", lambda texts: seen.append(texts) or original(texts))
    assert np.abs(minilm.encode([*TEXTS, TEXTS[0]], cache=tmp_path) - fresh[[0, 1, 2, 0]]).max() < 1e-6
    assert seen == [["no"]]  # only what was new
    minilm.encode(TEXTS, cache=tmp_path)
    assert len(seen) == 1
    (path,) = tmp_path.iterdir()
    assert b"chest" not in path.read_bytes()


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"keys": np.zeros((2, 16), np.uint8)},
        {"keys": np.zeros((2, 16), np.uint8), "embeddings": np.zeros((1, 16), np.float32)},
        {"keys": np.zeros((1, 16), np.float32), "embeddings": np.zeros((1, 16), np.float32)},
        {"keys": np.zeros((1, 16), np.uint8), "embeddings": np.zeros((1, 99), np.float32)},
        {"keys": np.zeros((1, 16), np.uint8), "embeddings": np.full((1, 16), np.nan, np.float32)},
    ],
)
def test_a_damaged_cache_is_one_sentence(folder, tmp_path, kept):
    teacher = Teacher(str(folder))
    teacher.encode(TEXTS[:1], cache=tmp_path)
    (path,) = tmp_path.iterdir()
    write_tensors(kept, path)
    with pytest.raises(MedAlignError, match=f"{path.name} .*; remove it, and it is computed anew"):
        teacher.encode(TEXTS, cache=tmp_path)


def test_other_settings_have_embeddings_of_their_own(folder, tmp_path):
    a, b = (Teacher(str(folder), layer=layer).encode(TEXTS, cache=tmp_path) for layer in (1, 2))
    assert len(list(tmp_path.iterdir())) == 2 and not np.allclose(a, b)


def test_an_embedding_that_is_not_finite_is_an_error_with_its_row(minilm, monkeypatch):
    bad = np.ones((3, 384), np.float32)
    bad[1] = np.nan
    monkeypatch.setattr(minilm.model, "encode", lambda texts: bad)
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


@pytest.fixture
def sentence_encoder(tmp_path):
    """The folder of a sentence encoder with random weights."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cough", "no"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    described = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    (tmp_path / "modules.json").write_text(json.dumps(described))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 16, "pooling_mode_mean_tokens": true}')
    return tmp_path


def change_weights(folder, change):
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


LAYER = "encoder.layer.1.attention.self.query.weight"


def test_a_sentence_encoder_needs_no_pooler(sentence_encoder, capfd):
    assert Teacher(str(sentence_encoder)).encode(["cough", "no cough"]).shape == (2, 16)
    assert capfd.readouterr().err == ""  # no progress bar, no report


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: {k: v for k, v in state.items() if k != LAYER}, f"1 of its weights are missing: {LAYER}"),
        (lambda state: {k: v for k, v in state.items() if "layer.1" not in k}, "16 of its weights are missing: .* ...\\)"),
        (lambda state: state | {LAYER: state[LAYER][:8]}, f"1 of its weights are of another shape: {LAYER}"),
    ],
)
def test_weights_that_are_missing_or_do_not_fit_are_refused(sentence_encoder, folder, tmp_path, capfd, change, told):
    change_weights(sentence_encoder, change)
    with pytest.raises(WeightsError, match=told) as refusal:
        Teacher(str(sentence_encoder))
    assert "\n" not in str(refusal.value) and capfd.readouterr().err == ""


def test_a_causal_model_with_missing_weights_is_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    change_weights(copy, lambda state: {k: v for k, v in state.items() if not k.startswith("h.2.")})
    with pytest.raises(WeightsError, match="of its weights are missing: h.2."):
        Teacher(str(copy))


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}),
        ("sentence_bert_config.json", {"max_seq_length": 4}),
        ("tokenizer_config.json", {"do_lower_case": False}),
    ],
)
def test_a_teacher_with_another_setting_is_another_teacher(sentence_encoder, tmp_path_factory, file, change):
    """Else a changed teacher would resume a run, and a cache would give the embeddings of before."""
    cache, text = tmp_path_factory.mktemp("cache"), ["no cough no cough no cough"]
    before = Teacher(str(sentence_encoder))
    kept = before.encode(text, cache=cache)
    assert Teacher(str(sentence_encoder)).description == before.description
    path = sentence_encoder / file
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | change))
    after = Teacher(str(sentence_encoder))
    assert after.description != before.description and after.info.revision != before.info.revision
    assert np.allclose(after.encode(text, cache=cache), after.encode(text)), "nothing of the one before"
    assert len(list(cache.iterdir())) == 2 and np.isfinite(kept).all()


def test_a_part_of_split_weights_is_part_of_the_revision(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    GPT2Model.from_pretrained(folder).save_pretrained(copy, max_shard_size="5KB")
    (copy / "model.safetensors").unlink()
    before, (part, *others) = Teacher(str(copy)), sorted(copy.glob("model-*.safetensors"))
    assert others
    save_file({k: v + 1 for k, v in load_file(part).items()}, part, metadata={"format": "pt"})
    assert Teacher(str(copy)).info.revision != before.info.revision
    assert is_revision(before.info.revision.partition("+")[0], before.info.revision), "of a student from before"


@pytest.mark.parametrize("place", ["modules.json", "config.json"])
def test_code_beside_the_weights_is_never_run(sentence_encoder, tmp_path, monkeypatch, place):
    """Nobody is asked, either: one "y" at a prompt would run it."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked for consent"))
    (sentence_encoder / "strange.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\nclass Config: pass")
    path = sentence_encoder / place
    body = json.loads(path.read_text())
    if place == "modules.json":
        body[0]["type"] = "strange.Model"
    else:
        (sentence_encoder / "modules.json").unlink()
        body |= {"model_type": "strange", "auto_map": {"AutoConfig": "strange.Config", "AutoModel": "strange.Model"}}
    path.write_text(json.dumps(body))
    with pytest.raises(WeightsError, match="can't be loaded as a text model"):
        Teacher(str(sentence_encoder))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "[]"),
        ("config.json", '{"model_type": "bert", "num_attention_heads": 0}'),
        ("modules.json", "{}"),
        ("modules.json", '[{"idx": 0}]'),
        ("1_Pooling/config.json", "[1"),
        ("1_Pooling/config.json", "3"),
        ("tokenizer.json", "[]"),
        ("model.safetensors", "x" * 100),
    ],
)
def test_a_malformed_file_is_one_sentence(sentence_encoder, capfd, file, content):
    (sentence_encoder / file).write_text(content)
    with pytest.raises(WeightsError) as refusal:
        Teacher(str(sentence_encoder))
    assert "\n" not in str(refusal.value) and capfd.readouterr().err == ""


def test_every_call_that_loads_a_model_refuses_its_code():
    ours = ("Student.from_pretrained", "super().from_pretrained")  # of a kind of Student
    for path in Path(medalign.__file__).parent.rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            if called == "SentenceTransformer" or (called.endswith(".from_pretrained") and not called.endswith(ours)):
                assert "trust_remote_code=False" in ast.unparse(call), f"{path.name}, line {call.lineno}"


@pytest.mark.parametrize(
    ("texts", "told"), [("abc", "give .text."), (b"abc", "give .text."), (["a", None], "text 1 is a NoneType")]
)
def test_what_is_no_list_of_texts_is_refused(folder, texts, told):
    with pytest.raises(DataError, match=told):
        Teacher(str(folder)).encode(texts)


def test_no_text_gives_no_rows(minilm):
    assert minilm.encode([]).shape == (0, 384)
