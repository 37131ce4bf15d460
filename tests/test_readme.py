"""What a newcomer copies works: the README's Python, its front-matter, and the notebook."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_of_the_readme_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "cough present" in capsys.readouterr().out


def test_the_notebook_runs_from_top_to_bottom(monkeypatch):
    monkeypatch.chdir(ROOT)
    cells = json.loads((ROOT / "notebooks" / "first_look.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    scope: dict = {}
    exec(compile(code, "first_look.ipynb", "exec"), scope)
    assert scope["analysis"].concepts
    assert not any(cell.get("outputs") for cell in cells)


def test_the_front_matter_pins_what_requirements_pin():
    front = README.split("---")[1]
    sdk_version = re.search(r"^sdk_version: (\S+)$", front, re.MULTILINE).group(1)
    assert f"gradio=={sdk_version} " in (ROOT / "requirements.txt").read_text()
    assert re.search(r'^python_version: "3\.\d+"$', front, re.MULTILINE)
    assert "app_file: app.py" in front and (ROOT / "app.py").is_file()


def test_requirements_and_project_agree_on_ranges():
    required = {}
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if requirement := line.split("#")[0].strip():
            name, bounds = re.match(r"([a-zA-Z0-9-]+)(.*)", requirement).groups()
            required[name] = bounds
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["app"]:
        name, bounds = re.match(r"([a-zA-Z0-9-]+)(.*)", requirement).groups()
        assert required.get(name) == bounds, name


@pytest.mark.parametrize("link", re.findall(r"\]\((assets/[^)]+)\)", README))
def test_pictures_of_the_readme_exist(link):
    assert (ROOT / link).is_file()
