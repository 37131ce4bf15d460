"""What a newcomer copies works: the README's Python, its front-matter, and the notebook."""

import argparse
import json
import re
import tomllib
from pathlib import Path

import pytest

from medalign.cli import _parser

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


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "assets/results/README.md"])
def test_links_inside_the_repository_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    assert not [link for link in links if "://" not in link and not (ROOT / page).parent.joinpath(link).exists()]


@pytest.mark.parametrize("page", ["README.md", "assets/results/README.md"])
def test_commands_and_options_that_are_named_exist(page):
    (subparsers,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    calls = re.findall(r"(?:python -m |`)medalign ([a-z][\w-]*)([^`#\n]*)", (ROOT / page).read_text(encoding="utf-8"))
    assert calls
    for command, rest in calls:
        assert command in subparsers.choices, command
        known = subparsers.choices[command]._option_string_actions
        if command != "feedback":  # its actions have options of their own
            assert known.keys() >= set(re.findall(r"(?<![\w-])--[a-z][\w-]*", rest)), (command, rest)


def test_a_newcomer_reads_at_most_200_lines():
    assert len(README.splitlines()) <= 200
