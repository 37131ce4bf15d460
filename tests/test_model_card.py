"""What is fitted beside a student stands in its card, from the figures that its commands wrote."""

import json

from medalign.core.assets import CHECKPOINTS
from medalign.models.student import DEFAULT_STUDENT
from medalign.training.model_card_extras import extras


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
