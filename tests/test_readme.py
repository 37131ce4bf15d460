"""What a newcomer copies works: the README's Python and its front-matter."""

import argparse
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from medalign.cli import _parser, main
from medalign.core.errors import DataError
from medalign.core.provenance import PROVENANCE, provenance
from medalign.report.results import load_figures, results_pages, write_results
from medalign.ui.views.status_view import CODE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_of_the_readme_runs(models_at_hand, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    told = capsys.readouterr().out
    assert "cough present" in told
    cough, knee = map(float, re.search(r"\[\[ *(\S+) +(\S+?)\]\]", told).groups())
    assert cough > knee


@pytest.mark.slow
def test_the_two_commands_of_training_run_as_they_stand(monkeypatch, capsys, tmp_path):
    section = README.split("## Train on your own data")[1].split("\n## ")[0]
    commands = re.findall(r"^python -m medalign (.+)$", section, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["train", "analyze"]
    monkeypatch.chdir(ROOT)
    for command in commands:
        assert main(shlex.split(command.replace("runs/first", str(tmp_path / "first")))) == 0
    told = capsys.readouterr()
    assert "high blood pressure" in told.out and "Nothing was fitted for this student yet" in told.out + told.err


def test_the_python_of_the_page_runs(models_at_hand, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    exec(compile(CODE.replace("consultation.wav", "assets/examples/cough-and-wheeze.flac"), "page", "exec"), {})
    assert "cough present" in capsys.readouterr().out


def test_the_front_matter_pins_what_requirements_pin():
    front = README.split("---")[1]
    sdk_version = re.search(r"^sdk_version: (\S+)$", front, re.MULTILINE).group(1)
    assert f"gradio=={sdk_version} " in (ROOT / "requirements.txt").read_text()
    assert re.search(r'^python_version: "3\.\d+"$', front, re.MULTILINE)
    assert "app_file: app.py" in front and (ROOT / "app.py").is_file()


def test_zero_gpus_pytorch_is_one_that_the_requirements_allow():
    """Spaces install the `pre-requirements.txt` that operators are told of first; pip keeps what satisfies the rest."""
    told = (ROOT / ".github" / "OPERATORS.md").read_text(encoding="utf-8")
    pinned = Requirement(re.search(r"`pre-requirements.txt` with the line `(torch==[\d.]+)`", told)[1])
    (allowed,) = (wanted for line in read_lines("requirements.txt") if (wanted := Requirement(line)).name == pinned.name)
    (version,) = (specifier.version for specifier in pinned.specifier)
    assert version in ("2.8.0", "2.9.1", "2.10.0", "2.11.0") and version in allowed.specifier


def read_lines(name: str) -> list[str]:
    lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", ".github/OPERATORS.md", ".github/SECURITY.md", "assets/results/README.md"]
)
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
        parser = subparsers.choices[command]
        inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]  # `bench status`, `feedback export`
        chosen = next((p for a in inner for name, p in a.choices.items() if rest.split()[:1] == [name]), parser)
        assert chosen._option_string_actions.keys() >= set(re.findall(r"(?<![\w-])--[a-z][\w-]*", rest)), (command, rest)


def test_a_newcomer_reads_at_most_200_lines():
    assert len(README.splitlines()) <= 200


def test_readme_and_results_say_what_the_committed_figures_say():
    for path, text in results_pages(ROOT).items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run `medalign results`"


@pytest.fixture
def repository(tmp_path):
    """What the tables are made of, to change at will."""
    shutil.copytree(ROOT / "assets" / "results", tmp_path / "assets" / "results")
    student = Path("assets", "checkpoints", "whisper-tiny.en-minilm")
    shutil.copytree(ROOT / student, tmp_path / student, ignore=shutil.ignore_patterns("*.safetensors"))
    (tmp_path / ".github").mkdir()
    for page in ("README.md", ".github/OPERATORS.md"):
        shutil.copy(ROOT / page, tmp_path / page)
    return tmp_path


def test_a_new_figure_reaches_all_pages(repository, capsys):
    assert main(["results", "--repository", str(repository)]) == 0
    assert capsys.readouterr().out == ""
    for name, keys, value in (
        ("coverage", ("human words", "found", 0), 0.4242),
        ("load", ("one consultation", "cpu_s"), 424242),
    ):
        path = repository / "assets" / "results" / f"{name}.json"
        figures = told = json.loads(path.read_text())
        for key in keys[:-1]:
            told = told[key]
        told[keys[-1]] = value
        path.write_text(json.dumps(figures))
    assert main(["results", "--repository", str(repository)]) == 0
    for page in ("README.md", "assets/results/README.md"):
        assert "42 %" in (repository / page).read_text()
    for page in (".github/OPERATORS.md", "assets/results/README.md"):
        assert "424242 s" in (repository / page).read_text()
    assert capsys.readouterr().out.count("wrote") == 3
    assert not write_results(repository)


def test_a_gpu_is_not_measured_until_there_are_figures_of_one(repository):
    page, measured = repository / "assets" / "results" / "README.md", repository / "assets" / "results" / "gpu.json"
    measured.unlink()
    write_results(repository)
    assert "No GPU was at hand: **not measured**." in page.read_text()
    figures = {"audio_s_per_s": 9000.5, "training_pairs_per_s": 70.5, "gpu_peak_memory_mib": 512}
    body = figures | {"device": "NVIDIA X1", "batch_size": 256, "in_batches_of_1024": figures, PROVENANCE: provenance()}
    measured.write_text(json.dumps(body))
    write_results(repository)
    told = page.read_text()
    assert "| NVIDIA X1 | 9000.5 s a second | 70.5 pairs a second, 256 a batch | 512 MiB |" in told
    assert "No GPU was at hand" not in told


def test_a_missing_figure_is_one_sentence(repository, tmp_path, capsys):
    (repository / "assets" / "results" / "coverage.json").unlink()
    with pytest.raises(DataError, match="coverage"):
        write_results(repository)
    assert main(["results", "--repository", str(tmp_path / "assets")]) == 2
    assert "in a checkout" in capsys.readouterr().err


def test_every_results_file_says_when_where_and_on_what_it_was_measured():
    settings = {"student/config", "student/fits", "student/note_fits", "student/training"}  # no figures
    for name, figures in load_figures(ROOT / "assets").items():
        assert name in settings or {"date", "commit", "hardware"} <= figures[PROVENANCE].keys(), name


def test_a_measurement_records_its_provenance():
    told = provenance()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", told["date"])
    assert told["commit"] is None or re.fullmatch(r"[0-9a-f]{7,}\+?", told["commit"])
    assert "CPU" in told["hardware"] and told["versions"]["torch"]
