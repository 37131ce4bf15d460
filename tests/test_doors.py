"""What the public functions and the options of training refuse, each in one sentence, before a model is loaded."""

import math
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from medalign import MedAlignError, Student, Teacher
from medalign.cli import main
from medalign.concepts import ConceptBank
from medalign.concepts.custom import only_concepts
from medalign.core.analysis import ModelInfo
from medalign.core.assets import CHECKPOINTS, EXAMPLES
from medalign.core.model_options import flag_of
from medalign.models.concept_embeddings import stored_concept_embeddings
from medalign.models.teacher import listed_texts
from medalign.training.identity import check_resumed
from medalign.training.recipe import AdaptRecipe, AdaptTraining, DetectorConfig, ProbeConfig, Recipe, StatusRecipe, TrainConfig

RECIPES = (TrainConfig, AdaptTraining, Recipe, AdaptRecipe, DetectorConfig, StatusRecipe, ProbeConfig)


@pytest.mark.parametrize("door", [Student.from_pretrained, Teacher])
def test_models_are_named_and_placed_in_one_way(door):
    for name in ("", None, 3):
        with pytest.raises(MedAlignError, match="a model's name is .*; give"):
            door(name)
    with pytest.raises(MedAlignError, match="neither a folder nor a known name"):
        door(Path("/nowhere/at-all"))
    with pytest.raises(MedAlignError, match="unknown device 'tpu'; use auto, cpu or cuda"):
        door(device="tpu")


def test_a_student_is_no_teacher_and_a_sentence_encoder_takes_no_option_of_another_kind():
    with pytest.raises(MedAlignError, match="is a student and no teacher; give it to --student"):
        Teacher(CHECKPOINTS / "whisper-tiny.en-minilm")
    with pytest.raises(MedAlignError, match="leave layer, prompt and max_tokens out"):
        Teacher(max_tokens=3)


@pytest.mark.parametrize("texts", [None, 3, "one text", b"one text", ["a", None], ["a", "\ud800"]])
def test_texts_that_a_teacher_cannot_read_are_refused(texts):
    with pytest.raises(MedAlignError, match=r"; give"):
        listed_texts(texts)


def test_texts_may_come_one_by_one():
    assert listed_texts(text for text in ("a", "b")) == ["a", "b"]


@pytest.mark.parametrize("concepts", [None, 3, "asthma", ["asthma"]])
def test_concepts_of_ones_own_are_concepts(concepts):
    with pytest.raises(MedAlignError, match="read them by parse_concepts"):
        only_concepts(concepts)


@pytest.mark.parametrize("audio", [None, np.zeros(16_000), ["a.wav"], [[0.0] * 16_000]])
def test_a_student_takes_a_list_of_arrays(audio):
    with pytest.raises(MedAlignError, match="give a list of arrays"):
        Student.encode_audio(None, audio, sample_rate_hz=16_000)  # refused before the student is asked


@pytest.mark.parametrize("of", RECIPES)
def test_every_number_of_a_recipe_is_finite_and_within_its_bounds(of):
    numbers = [f for f in fields(of) if "float" in str(f.type) or "int" in str(f.type)]
    assert numbers
    for known in numbers:
        lowest = known.metadata.get("least", 0)
        for wrong in (math.nan, math.inf, *([lowest - 1] if lowest > -math.inf else [])):
            with pytest.raises(MedAlignError, match=f"^{flag_of(known)} is {wrong}; give a finite number"):
                replace(of(), **{known.name: wrong})


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("--lr", "nan"), ("--lr", "0"), ("--encoder-lr", "-1"), ("--validate-every", "0"), ("--save-every", "0"),
        ("--seed", "-1"), ("--loss", "cka=nan"), ("--loss", "cka=0"), ("--cache", "/proc/x"), ("--cache", "/dev/null"),
    ],
)  # fmt: skip
def test_an_option_of_training_that_cannot_be_is_one_line_and_status_two(option, wrong, tmp_path, capsys):
    try:
        status = main(["train", str(EXAMPLES / "manifest.csv"), "--out", str(tmp_path / "run"), option, wrong])
    except SystemExit as refused:  # argparse's own way
        status = refused.code
    assert status == 2 and option in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_refused_resumption_names_the_options_that_differ():
    stored, wanted = ({"recipe": asdict(Recipe(TrainConfig(n_steps=n, peak_lr=lr)))} for n, lr in ((6, 1e-3), (4, 2e-3)))
    with pytest.raises(MedAlignError, match=r"--steps, which may only grow, 6 -> 4; --lr 0.001 -> 0.002; give"):
        check_resumed(stored, wanted, Path("run"))


def test_embedding_a_bank_is_told(tmp_path, caplog):
    teacher = SimpleNamespace(info=ModelInfo("small", "1"), embed_dim=2, encode=lambda texts, cache: np.ones((len(texts), 2)))
    stored_concept_embeddings(tmp_path, teacher, ConceptBank.default().concepts[:3])
    assert "embedding 3 concepts, which takes a minute" in caplog.text
