"""The notebooks run from top to bottom as they are, in kernels of their own, and are committed with what they showed."""

from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
pytestmark = [pytest.mark.slow, pytest.mark.models, pytest.mark.xdist_group("notebooks")]
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_four():
    assert [path.stem[:3] for path in NOTEBOOKS] == ["01_", "02_", "03_", "04_"]


@each_notebook
def test_it_runs_and_shows_as_much_as_was_committed(path, monkeypatch, tmp_path):
    monkeypatch.setenv("PLOTLY_RENDERER", "json")  # the pictures that are committed need a browser
    monkeypatch.setenv("PYTHONPATH", str(path.parents[1]))
    committed = nbformat.read(path, as_version=4)
    run = nbclient.NotebookClient(nbformat.read(path, as_version=4), timeout=300, resources={"metadata": {"path": tmp_path}})
    shown = run.execute()  # an error in a cell is raised
    assert sum(_figures(cell) for cell in shown.cells) == sum(_figures(cell) for cell in committed.cells) >= 1
    for cell, before in zip(shown.cells, committed.cells, strict=True):
        assert bool(cell.get("outputs")) == bool(before.get("outputs")), cell.source


def _figures(cell: nbformat.NotebookNode) -> int:
    """How many pictures a cell shows, drawn or as data."""
    kinds = [set(output.get("data", ())) for output in cell.get("outputs", ())]
    return sum("image/png" in kind or "application/json" in kind for kind in kinds)
