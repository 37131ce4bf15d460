"""A teacher learns medicine: what it learns from, what never enters, and a run that goes on as if it had not been stopped."""

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, BertTokenizer, GPT2Config, GPT2Model, PreTrainedTokenizerFast

from medalign.cli import main
from medalign.concepts import Concept, ConceptBank
from medalign.concepts.notes import read_note
from medalign.core.errors import DataError, MedAlignError, TrainingError, WeightsError
from medalign.models.teacher import Teacher
from medalign.models.tuning import TunableTeacher
from medalign.pipeline.footprint import teacher_bytes
from medalign.training.adaptation import noted, senses, synonyms
from medalign.training.adaptation.measure import Query, Search, ranks_of, statements
from medalign.training.adaptation.noted import matched, stretches_of
from medalign.training.adaptation.pairs import TextPair, own_pairs, plan_batches
from medalign.training.data.consultations import Consultation, Utterance, read_consultations
from medalign.training.data.facts import ANNOTATIONS, Fact, read_facts
from medalign.training.recipe import AdaptRecipe, AdaptTraining

pytestmark = pytest.mark.models
COMPLAINTS = ["cough", "fever", "rash", "wheeze", "nausea", "headache", "itch", "cramp"]
WORDS = ["i", "have", "a", "no", "reports", "denies", "chest", "pain", *COMPLAINTS]
ROWS = [{"said": f"i have a {c}", "noted": f"reports {c}", "wrong": f"denies {c}"} for c in COMPLAINTS]
RECIPE = AdaptRecipe(AdaptTraining(n_steps=6, batch_size=4, peak_lr=1e-2, save_every=2), synonyms=0)


def adapt(*args, **named):
    """Imported when it runs: the library's trainer takes a second of every worker that collects tests."""
    from medalign.training.adaptation.adapt import adapt

    return adapt(*args, **named)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The folder of a sentence encoder with random weights, which leaves out a tenth of them while it learns."""
    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    described = [
        {"idx": i, "name": str(i), "path": p, "type": f"sentence_transformers.models.{k}"} for i, (p, k) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(described))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 16, "pooling_mode_mean_tokens": true}')
    return str(folder)


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    """The folder of a causal language model with random weights."""
    folder = tmp_path_factory.mktemp("causal")
    vocabulary = {word: i for i, word in enumerate(["<end>", "<unknown>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<unknown>").save_pretrained(folder)
    torch.manual_seed(0)
    GPT2Model(GPT2Config(n_layer=2, n_head=2, n_embd=16, vocab_size=len(vocabulary), n_positions=64)).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs") / "pairs.csv", ROWS)


def write_pairs(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def adapted(encoder, pairs, tmp_path_factory):
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("adapted") / "medical"
    options = ["--steps", "6", "--batch-size", "4", "--lr", "0.01", "--synonyms", "0", "--device", "cpu"]
    assert main(["adapt", "--pairs", str(pairs), "--out", str(out), "--teacher", encoder, *options]) == 0
    return out


def test_what_it_writes_is_a_teacher_with_its_card(adapted, encoder):
    before, after = Teacher(encoder).encode(["cough"]), Teacher(str(adapted)).encode(["cough"])
    assert np.abs(before - after).max() > 1e-3
    card = (adapted / "README.md").read_text()
    assert "--lr 0.01 --seed 0" in card and "8 of one's own" in card and "not a medical device" in card.lower()
    story = json.loads((adapted / "training.json").read_text())
    assert story["recipe"]["train"]["n_steps"] == 6 and story["sessions"][0]["versions"]["torch"]
    losses = [json.loads(line)["loss"] for line in (adapted / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 6 and losses[-1] < losses[0]
    (adapted / "README.md").unlink()
    assert main(["card", str(adapted)]) == 0 and (adapted / "README.md").read_text() == card


def test_updates_alone_are_the_same_teacher_and_of_no_other_model(adapted, encoder, tmp_path):
    whole, apart = Teacher(str(adapted)), Teacher(str(adapted / "updates"))
    assert np.abs(whole.encode(WORDS) - apart.encode(WORDS)).max() < 2e-3  # of half precision
    assert apart.info.revision not in (whole.info.revision, Teacher(encoder).info.revision)
    copy = shutil.copytree(adapted / "updates", tmp_path / "copy")
    path = copy / "updates.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_revision": "another"}))
    with pytest.raises(WeightsError, match=r"\(another\), but that is"):
        Teacher(str(copy))
    (copy / "updates.safetensors").unlink()
    with pytest.raises(WeightsError, match="updates.safetensors is missing"):
        Teacher(str(copy))


KEY = "encoder.layer.1.attention.self.key"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda factors: {}, "missing .'encoder.layer.0.attention.output.dense.A'"),
        (lambda factors: {k: v for k, v in factors.items() if not k.startswith(KEY)}, f"missing .'{KEY}.A', '{KEY}.B'.,"),
        (lambda factors: factors | {"other.A": factors[f"{KEY}.A"].clone()}, "unexpected .'other.A'"),
        (lambda factors: factors | {f"{KEY}.B": factors[f"{KEY}.B"][:5].clone()}, f"wrong shape .'{KEY}.B'"),
        (lambda factors: factors | {f"{KEY}.A": factors[f"{KEY}.A"] * np.nan}, "not finite"),
    ],
)
def test_updates_that_lack_a_layer_or_do_not_fit_are_refused(adapted, tmp_path, change, told):
    copy = shutil.copytree(adapted / "updates", tmp_path / "copy")
    save_file(change(load_file(copy / "updates.safetensors")), copy / "updates.safetensors")
    with pytest.raises(MedAlignError, match=f"updates.safetensors .*{told}"):
        Teacher(str(copy))


def test_a_scale_is_part_of_the_revision(adapted, tmp_path):
    copy = shutil.copytree(adapted / "updates", tmp_path / "copy")
    path = copy / "updates.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scale": 1.0}))
    assert Teacher(str(copy)).description != Teacher(str(adapted / "updates")).description.replace(
        str(adapted / "updates"), str(copy)
    )


def test_what_ships_changes_the_general_teacher_as_published():
    medical, general = Teacher("minilm-medical"), Teacher()
    said, denied, affirmed = "Any chest pain at all? No, none.", "denies chest pain", "reports chest pain"
    leads = [(t.encode([said]) @ (t.encode([denied]) - t.encode([affirmed])).T).item() for t in (medical, general)]
    assert leads[0] > leads[1] + 0.1 and medical.embed_dim == general.embed_dim
    assert 1e6 < teacher_bytes(medical.info.name) - teacher_bytes(general.info.name) < 3e6


def test_no_text_of_the_pairs_is_in_the_folder(adapted):
    for path in adapted.rglob("*"):
        assert path.is_dir() or b"i have a cough" not in path.read_bytes()


def recipe_for(encoder, recipe=RECIPE, **train):
    return replace(recipe, teacher=encoder, train=replace(recipe.train, **train))


def test_a_stopped_run_comes_out_as_an_uninterrupted_one(encoder, pairs, tmp_path, monkeypatch):
    from medalign.training.adaptation import trainer

    recipe = recipe_for(encoder)
    adapt(recipe, tmp_path / "straight", tmp_path, pairs=[pairs], device="cpu")

    def stop_after_three(self, args, state, *rest, **named):
        if state.global_step == 3:
            self._stop.set()
        return on_log(self, args, state, *rest, **named)

    on_log = trainer._Steps.on_log
    with monkeypatch.context() as patch:
        patch.setattr(trainer._Steps, "on_log", stop_after_three)
        with pytest.raises(KeyboardInterrupt):
            adapt(recipe, tmp_path / "stopped", tmp_path, pairs=[pairs], device="cpu")
    assert not (tmp_path / "stopped" / "training.json").exists()
    story = adapt(recipe, tmp_path / "stopped", tmp_path, pairs=[pairs], device="cpu")
    teachers = [Teacher(str(tmp_path / name)) for name in ("straight", "stopped")]
    assert np.array_equal(*(teacher.encode(WORDS) for teacher in teachers))
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("straight", "stopped")]
    assert logs[0] == logs[1]
    assert adapt(recipe, tmp_path / "stopped", tmp_path, pairs=[pairs], device="cpu") == story  # finished: left as it is


def test_another_recipe_or_other_pairs_are_refused_by_name(adapted, encoder, pairs, tmp_path):
    recipe = replace(RECIPE, teacher=encoder, train=AdaptTraining(n_steps=6, batch_size=4, peak_lr=1e-2))
    with pytest.raises(TrainingError, match=r"--seed 0 -> 1"):
        adapt(replace(recipe, train=replace(recipe.train, seed=1)), adapted, tmp_path, pairs=[pairs], device="cpu")
    with pytest.raises(TrainingError, match=r"--rank 16 -> 4"):
        adapt(replace(recipe, rank=4), adapted, tmp_path, pairs=[pairs], device="cpu")
    others = write_pairs(tmp_path / "others.csv", [row | {"wrong": "no pain"} for row in ROWS])
    with pytest.raises(TrainingError, match=r"pairs\.own"):
        adapt(recipe, adapted, tmp_path, pairs=[others], device="cpu")


@pytest.mark.parametrize("tuned", ["lora", "full"])
def test_a_wrong_text_gets_farther(encoder, pairs, tmp_path, tuned):
    adapt(
        recipe_for(encoder, replace(RECIPE, tuned=tuned), n_steps=30), tmp_path / "out", tmp_path, pairs=[pairs], device="cpu"
    )

    def lead(teacher):
        """How much nearer the right notes are than the wrong ones."""
        said, right, wrong = (teacher.encode([row[name] for row in ROWS]) for name in ("said", "noted", "wrong"))
        return float((said * (right - wrong)).sum(1).mean())

    assert lead(Teacher(str(tmp_path / "out"))) > lead(Teacher(encoder)) + 0.1


def test_a_causal_model_is_trained_as_it_is_read_and_saved_whole(causal, pairs, tmp_path):
    teacher = Teacher(causal, layer=1)
    tunable = TunableTeacher(teacher, "lora", 2)
    trained = {name for name, p in tunable.network.named_parameters() if p.requires_grad}
    assert trained and all("lora_" in name for name in trained)
    texts = ["no", "i have a cough"]
    features = tunable.network.preprocess(texts)
    embedded = torch.nn.functional.normalize(tunable.network(features)["sentence_embedding"], dim=-1)
    assert embedded.requires_grad and np.allclose(embedded.detach().numpy(), teacher.encode(texts), atol=1e-6)
    recipe = replace(recipe_for(causal), teacher_layer=1, rank=2)
    adapt(recipe, tmp_path / "out", tmp_path, pairs=[pairs], device="cpu")
    after = GPT2Model.from_pretrained(tmp_path / "out")  # without peft, and without the model that it began from
    before = GPT2Model.from_pretrained(causal)
    assert np.allclose(*(Teacher(str(tmp_path / "out" / apart), layer=1).encode(texts) for apart in ("", "updates")), atol=2e-3)
    assert torch.equal(after.wte.weight, before.wte.weight) and not torch.equal(
        after.h[0].mlp.c_fc.weight, before.h[0].mlp.c_fc.weight
    )
    assert Teacher(str(tmp_path / "out"), layer=1).encode(texts).shape == (2, 16)


HELD_OUT = ["zebra", "walrus", "ostrich", "gecko"]  # words of day 4, of the validation files, and of an annotated consultation


def collections(folder):
    """All three collections; every text of a consultation that is held out has a word of its own."""
    chosen_by = sorted(
        {f.consultation_id for f in read_facts(ANNOTATIONS / "develop.csv") if f.consultation_id.startswith("day")}
    )[0]
    lines = ["Have you had a fever?", "No fever at all, but I have had a dry cough for two weeks."]
    note = "Dry cough for two weeks. No fever reported by him."
    utterances, notes = [], []
    for name, day, word in (("day1_consultation99", 1, "badger"), ("day4_consultation99", 4, "zebra"), (chosen_by, 1, "gecko")):
        utterances += [
            {"consultation_id": name, "day": day, "role": role, "start_s": i, "text": f"{word} {line}"}
            for i, (role, line) in enumerate(zip(("doctor", "patient"), lines, strict=True))
        ]
        notes.append({"consultation_id": name, "note": f"{word} {note}"})
    write_table(folder / "primock57" / "utterances.csv", utterances)
    write_table(folder / "primock57" / "notes.csv", notes)
    for split, word in (("train", "badger"), ("valid", "walrus")):
        dialogue = f"[doctor] {word} {lines[0]}\n[patient] {word} {lines[1]}"
        write_table(
            folder / "aci_bench" / f"{split}.csv",
            [{"encounter_id": f"X{split}", "dialogue": dialogue, "note": f"{word} {note}"}],
        )
    for split, word in (("train", "badger"), ("valid", "ostrich")):
        dialogue = f"Doctor: {word} {lines[0]}\nPatient: {word} {lines[1]}"
        write_table(
            folder / "mts_dialog" / f"{split}.csv",
            [{"ID": "9999", "section_text": f"{word} {note}", "dialogue": dialogue}],
        )
    return folder


def write_table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pairs(path, rows)


def test_what_is_held_out_never_enters_a_pair(encoder, tmp_path, monkeypatch):
    from medalign.training.adaptation.adapt import make_pairs

    monkeypatch.setattr(senses, "N_DRAWN", 40)
    monkeypatch.setattr(noted, "LEAST_COSINE", -1.0)
    monkeypatch.setattr(noted, "LEAST_MARGIN", -1.0)
    data = collections(tmp_path / "data")
    assert {word for c in read_consultations(data) for word in c.note.split()} > set(HELD_OUT)  # they are read
    found = make_pairs(recipe_for(encoder), Teacher(encoder), tmp_path, data=data)
    assert found["noted"] and found["status"]
    words = Counter(
        word for of_kind in found.values() for p in of_kind for text in (p.said, p.noted, p.wrong) for word in text.split()
    )
    assert words["badger"] and not words.keys() & set(HELD_OUT)


BANK = ConceptBank(
    [
        Concept(
            f"X:{i}",
            "CUSTOM",
            str(i),
            word,
            "finding",
            tuple(f"{word} {j}" for j in range(4)),
            broader=("X:0",) if i == 1 else (),
        )
        for i, word in enumerate(COMPLAINTS)
    ]
)


def test_wordings_that_are_kept_back_are_in_no_pair_of_synonyms(encoder, monkeypatch):
    monkeypatch.setattr(synonyms, "ONE_IN", 3)
    kept = synonyms.kept_back_synonyms(BANK)
    whole = {concept.label for _, concept, is_whole in kept if is_whole}
    assert whole and {synonym for synonym, _, is_whole in kept if not is_whole}
    pairs = synonyms.synonym_pairs(Teacher(encoder), BANK, seed=0)
    assert pairs and not whole & {text for pair in pairs for text in (pair.noted, pair.wrong)}
    assert not [pair for pair in pairs if any(synonym in pair.said for synonym, *_ in kept)]
    narrower, broader = BANK.concepts[1].label, BANK.concepts[0].label
    assert not [p for p in pairs if {p.noted, p.wrong} == {narrower, broader}]  # a rash is not wrong of an itchy one


def test_no_batch_has_two_pairs_about_one_thing_and_all_come_about_equally_often():
    by_kind = {"noted": [TextPair(str(i), str(i), "", frozenset([str(i % 9)])) for i in range(18)], "own": []}
    batches = list(islice(plan_batches(by_kind, {"noted": 1.0, "own": 1.0}, 6, seed=0), 9))
    for batch in batches:
        assert len({by_kind["noted"][i].about for i in batch}) == 6
    counts = Counter(i for batch in batches for i in batch)
    assert len(counts) == 18 and max(counts.values()) - min(counts.values()) <= 2
    assert batches[4:] == list(islice(plan_batches(by_kind, {"noted": 1.0, "own": 1.0}, 6, seed=0), 4, 9))
    with pytest.raises(TrainingError, match="about 9 different things, fewer than a batch of 10"):
        next(plan_batches(by_kind, {"noted": 1.0}, 10, seed=0))


def test_a_statement_is_not_paired_with_words_that_say_its_contrary():
    bank = ConceptBank.default()
    said = [
        "I have had a really terrible cough since last Monday, day and night.",
        "And the fever has been there for at least a whole week by now.",
    ]
    consultation = Consultation("x", "train", tuple(Utterance("patient", text) for text in said))
    stretches = stretches_of(consultation)
    clauses = read_note("Complains of a cough since Monday. He denies any fever at all.")[1]
    cosines = np.array(
        [[0.9 if word in s.text and len(s.text.split()) < 20 else 0.1 for s in stretches] for word in ("cough", "fever")]
    )
    assert [(i, s.text) for i, s in matched(clauses, stretches, cosines, bank)] == [(0, said[0])]


def test_a_sense_is_restated_and_the_wrong_text_tells_another(monkeypatch):
    monkeypatch.setattr(senses, "N_DRAWN", 60)
    first, again, other = (senses.sense_pairs([], ConceptBank.default(), seed) for seed in (3, 3, 4))
    assert first == again != other and len(first) > 20
    said_as = {form.partition("{}")[0]: sense for sense, as_in in senses.SENSES.items() for form in as_in["wordings"]}
    for pair in first:
        right, wrong = (
            max((f for f in said_as if text.lower().startswith(f.lower())), key=len) for text in (pair.noted, pair.wrong)
        )
        assert pair.said and pair.noted != pair.wrong and (said_as[right] != said_as[wrong] or not right or not wrong)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"said": "a", "noted": "b"}], "1 pairs, at least 2"),
        ([{"said": "a", "noted": "b"}, {"said": " ", "noted": "c"}], "line 3: said or noted is empty"),
        ([{"said": "a", "wrong": "b"}], "lacks the column noted"),
    ],
)
def test_pairs_that_can_not_be_used_are_refused(tmp_path, rows, told):
    with pytest.raises(DataError, match=told):
        own_pairs(write_pairs(tmp_path / "pairs.csv", rows))


def test_nothing_to_learn_from_is_told(tmp_path, capsys):
    assert main(["adapt", "--out", str(tmp_path / "out")]) == 2
    assert "give --data FOLDER, --pairs CSV, or both" in capsys.readouterr().err


def test_a_rank_counts_ties_against_the_right_text_and_looks_in_its_own_consultation():
    class Axes:
        def encode(self, texts):
            return np.array([[float(text)] for text in texts], np.float32)

    queries = Query("1", frozenset([1]), range(3), "a"), Query("1", frozenset([0, 2]), range(3), "b")
    search = Search(("3", "2", "2", "9"), queries)
    assert ranks_of(search, Axes()).tolist() == [3, 1]


def test_a_statement_is_looked_for_where_readers_found_its_fact_in_its_sense():
    consultation = Consultation(
        "c", "valid", tuple(Utterance("patient", text) for text in ("I have a cough.", "No fever.", "My mum has a fever.")),
        "Complains of cough. Denies fever. Headache.",
    )  # fmt: skip
    facts = [
        Fact("c", 0, 9, 14, "cough", "symptom", frozenset(["present"]), "", "core"),
        Fact("c", 1, 3, 8, "fever", "symptom", frozenset(["negated"]), "", "core"),
        Fact("c", 2, 13, 18, "fever", "symptom", frozenset(["family"]), "", "core"),
    ]
    search = statements(facts, {"c": consultation}, ConceptBank.default())
    assert [(query.text, query.right) for query in search.queries] == [
        ("Complains of cough", frozenset([0])), ("Denies fever", frozenset([1])),
    ]  # fmt: skip
