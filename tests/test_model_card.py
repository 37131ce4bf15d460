"""What is fitted beside a student stands in its card, from the figures that its commands wrote."""

import json
import shutil

import pytest
import yaml
from huggingface_hub import DatasetCardData, ModelCardData

from medalign.core.assets import CHECKPOINTS
from medalign.core.weights import BODY_SOUND_STUDENT
from medalign.models.student import DEFAULT_STUDENT
from medalign.training.data.synthesis import HELD_OUT_VOICES, TRAIN_VOICES
from medalign.training.model_card import extras, write_card


def test_a_folder_without_such_figures_has_no_such_part(tmp_path):
    assert extras(tmp_path) == ""


def test_the_shipped_figures_make_tables_with_a_cell_for_each_column():
    folder = CHECKPOINTS / DEFAULT_STUDENT
    written = extras(folder)
    for title in ("Sound events", "Segment quality", "Misheard medicines and diseases", "Fusion"):
        assert f"### {title}" in written
    tables = [block.splitlines() for block in written.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") for line in table}) == 1 and len(table) > 2
    cough = json.loads((folder / "sound_events.json").read_text())["sound_events"]["cough"]
    assert f"| cough | {cough['n']} | {cough['auroc_against_speech']:.3f} |" in written
    assert written in (folder / "README.md").read_text()


@pytest.mark.parametrize("name", [DEFAULT_STUDENT, BODY_SOUND_STUDENT])
def test_a_shipped_card_says_what_the_files_beside_it_say(name, tmp_path):
    folder = tmp_path / name
    shutil.copytree(CHECKPOINTS / name, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    write_card(folder)
    assert (folder / "README.md").read_text("utf-8") == (CHECKPOINTS / name / "README.md").read_text("utf-8")


def front_matter(card: str) -> dict:
    return yaml.safe_load(card.split("---")[1])


@pytest.mark.parametrize("name", sorted(path.parent.name for path in CHECKPOINTS.glob("*/README.md")))
def test_the_front_matter_of_a_model_card_is_what_the_hub_takes(name):
    front = front_matter((CHECKPOINTS / name / "README.md").read_text(encoding="utf-8"))
    assert set(front) <= {*vars(ModelCardData()), "tags", "pipeline_tag"}
    assert front["license"] == "apache-2.0" and front["language"] == "en" and "research-only" in front["tags"]


def test_the_data_card_names_the_voices_and_its_front_matter_is_what_the_hub_takes():
    card = (CHECKPOINTS.parent / "data_card.md").read_text(encoding="utf-8")
    front = front_matter(card)
    assert set(front) <= {*vars(DatasetCardData()), "tags"} and front["language"] == ["en"]
    to_learn, to_validate = next(line for line in card.splitlines() if line.startswith("| voices")).split("|")[2:4]
    assert {name.strip() for name in to_learn.split(",")} == set(TRAIN_VOICES)
    assert all(name in to_validate for name in HELD_OUT_VOICES)
