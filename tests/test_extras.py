"""What is installed: requirements, extras, and what works or what is said without one of them."""

import os
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

from medalign import __version__
from medalign.cli import EXTRAS
from medalign.core.assets import EXAMPLES

ROOT = Path(__file__).parents[1]
TRAIN = ["train", EXAMPLES / "manifest.csv", "--out", "x"]
pytestmark = pytest.mark.models
SITE = Path(sysconfig.get_paths()["purelib"])


def lines(name: str) -> list[str]:
    """The requirements of a file, with their reasons."""
    return [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def names(name: str) -> set[str]:
    return {re.match(r"[\w.-]+", line)[0] for line in lines(name)}


def test_requirements_txt_is_core_page_and_training():
    """Spaces reads this one file, and no other."""
    parts = [line for part in ("core", "app", "train") for line in lines(f"requirements/{part}.txt")]
    assert lines("requirements.txt") == list(dict.fromkeys(parts))


def test_the_extras_that_messages_name_are_those_of_the_requirements():
    modules_of: dict[str, set[str]] = {}
    for module, distributions in packages_distributions().items():
        for name in distributions:
            modules_of.setdefault(name.lower().replace("_", "-"), set()).add(module)
    for extra, modules in EXTRAS.items():
        for name in names(f"requirements/{extra}.txt"):
            found = modules_of.get(name.lower().replace("_", "-"))
            assert found is None or found & set(modules), f"{extra}: {name} (not installed here if None)"
        assert len(modules) == len(lines(f"requirements/{extra}.txt"))


def test_the_citation_has_the_version_of_the_package():
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run_without(tmp_path_factory):
    """Runs Python as if the distributions of some extras had never been installed."""

    def run(extras: tuple[str, ...], *arguments: object) -> subprocess.CompletedProcess:
        kept = {name for part in ("core", *(set(EXTRAS) - set(extras))) for name in names(f"requirements/{part}.txt")}
        gone = {name for part in extras for name in names(f"requirements/{part}.txt")} - kept - {"tqdm"}  # others need tqdm
        hidden = set()
        for name in gone & {d.lower() for ds in packages_distributions().values() for d in ds}:
            hidden |= {file.parts[0] for file in distribution(name).files or () if file.parts[0] != ".."}
        site = tmp_path_factory.mktemp("site")
        for path in SITE.iterdir():
            if path.name not in hidden and path.suffix != ".pth":
                (site / path.name).symlink_to(path)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, site))), "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-S", *map(str, arguments)]
        return subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True)

    return run


def test_an_analysis_and_every_export_need_no_extra(run_without, cut, tmp_path):
    exports = [f"--{kind}={tmp_path / kind}" for kind in ("json", "csv", "vtt", "fhir", "html")]
    done = run_without(tuple(EXTRAS), "-m", "medalign", "analyze", cut("upset-stomach", 0.0, 13.8), *exports)
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / kind).stat().st_size for kind in ("json", "csv", "vtt", "fhir", "html"))


@pytest.mark.parametrize(
    ("extras", "command", "told"),
    [
        (("app",), ["serve"], "'gradio'; run `pip install 'medalign[app]'`"),
        (("app",), ["feedback", "export", "--out", "x"], "'sqlalchemy'; run `pip install 'medalign[app]'`"),
        (("train",), ["train", EXAMPLES / "manifest.csv", "--out", "x"], "'accelerate'; run `pip install 'medalign[train]'`"),
        (
            ("app", "train"),
            ["train", EXAMPLES / "manifest.csv", "--out", "x"],
            "'plotly'; run `pip install 'medalign[app]'` or ",
        ),
    ],
)
def test_a_missing_extra_is_one_sentence_that_names_it(run_without, extras, command, told):
    done = run_without(extras, "-m", "medalign", *command)
    assert done.returncode == 2 and told in done.stderr and done.stderr.count("\n") == 1


def test_the_page_needs_its_extra_alone(run_without):
    others = tuple(set(EXTRAS) - {"app"})
    done = run_without(others, "-c", "from medalign.cli.serve import build_demo; build_demo(feedback='off')")
    assert done.returncode == 0, done.stderr


def test_training_needs_its_extra_alone(run_without):
    others = tuple(set(EXTRAS) - {"train"})
    done = run_without(others, "-c", "from medalign.training.recipe import Recipe; from medalign.training.train import train")
    assert done.returncode == 0, done.stderr
