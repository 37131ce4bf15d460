"""What is installed: requirements, extras, and what works or what is said without one of them."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from medalign import __version__
from medalign.cli import EXTRAS, main
from medalign.core.assets import EXAMPLES

ROOT = Path(__file__).parents[1]
TRAIN = ["train", str(EXAMPLES / "manifest.csv"), "--out", "x"]
pytestmark = pytest.mark.models
SITE = Path(sysconfig.get_paths()["purelib"])
# Distributions that ask for their source under the GPL or LGPL, or hold a library that does, and why they are needed. No other
# may come in unseen; NOTICE credits each.
GPL = {
    "av": "FFmpeg decodes every format, and faster-whisper needs it; its wheel has libx264 and libx265, which only encode",
    "piper-tts": "speaks training's validation voice; the extra `data` alone installs it",
}
LGPL = {
    "av": "FFmpeg itself",
    "numpy": "libquadmath, the compiler's own",
    "scipy": "libquadmath, the compiler's own",
    "soundfile": "libsndfile",
}
GPL_LIBRARY = re.compile(r"(?:lib)?(?:(?:x26[45]|xvidcore|postproc|vidstab|rubberband|fftw3|gsl|readline)(?![a-z])|espeak)")
LGPL_LIBRARY = re.compile(r"(?:lib)?(?:avcodec|sndfile|quadmath|gnutls|gmp|mp3lame|fribidi|asound)(?![a-z])")


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


def closure(*parts: str) -> dict[str, Distribution]:
    """What the requirements of extras (or of `core`) lead to, all the way down, by name; what is not installed is left out."""
    waiting = [Requirement(line.partition("#")[0]) for part in parts for line in lines(f"requirements/{part}.txt")]
    found: dict[str, Distribution] = {}
    seen: set[str] = set()
    while waiting:
        wanted = waiting.pop()
        if (key := f"{canonicalize_name(wanted.name)} {sorted(wanted.extras)}") in seen:
            continue
        seen.add(key)
        try:
            found[canonicalize_name(wanted.name)] = got = distribution(wanted.name)
        except PackageNotFoundError:
            continue
        for needed in map(Requirement, got.requires or ()):
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in (*wanted.extras, "")):
                waiting.append(needed)
    return found


def licence(found: Distribution) -> str:
    """As its metadata say it, in their newer and older fields; of a whole text, the title."""
    said = found.metadata
    title = (said.get("License") or "").strip().partition("\n")[0]
    classifiers = [line for line in said.get_all("Classifier", []) if line.startswith("License ::")]
    return "; ".join(filter(None, [said.get("License-Expression"), title, *classifiers]))


def holds(found: Distribution, library: re.Pattern) -> bool:
    """Whether a compiled library of that name was packed into it."""
    return any(re.search(r"\.(so|dylib|dll|pyd)\b", file.name) and library.match(file.name) for file in found.files or ())


def test_no_licence_of_what_is_installed_asks_for_the_source_but_for_those_that_are_known():
    found = closure("core", *EXTRAS)
    missing = {
        canonicalize_name(name) for part in ("core", *(set(EXTRAS) - {"data"})) for name in names(f"requirements/{part}.txt")
    }
    assert not missing - found.keys(), "not installed, so not looked at"
    said = {name: licence(each) for name, each in found.items()}
    assert not [name for name, words in said.items() if not words], "without any licence"
    lesser = re.compile(r"LGPL\S*|(?:Lesser|Library)(?: or Lesser)? General Public", re.I)
    greater = {name for name, words in said.items() if re.search(r"GPL|General Public|Affero", lesser.sub("", words), re.I)}
    assert greater | {name for name, each in found.items() if holds(each, GPL_LIBRARY)} <= GPL.keys()
    weaker = {name for name, words in said.items() if lesser.search(words)}
    assert weaker | {name for name, each in found.items() if holds(each, LGPL_LIBRARY)} <= LGPL.keys() | GPL.keys()


def test_what_speaks_is_installed_for_making_training_data_only():
    assert "piper-tts" in names("requirements/data.txt")
    assert "piper-tts" not in closure("core", *(set(EXTRAS) - {"data"}))


def test_the_credits_name_what_is_under_the_gpl_and_the_edition_of_each_ontology():
    credits = (ROOT / "assets" / "NOTICE").read_text(encoding="utf-8")
    assert not [name for name in GPL.keys() | LGPL.keys() if not re.search(rf"^- {name}\b.*\n?.*GPL", credits, re.MULTILINE)]
    sources = json.loads((ROOT / "medalign/concepts/data/bank.json").read_text(encoding="utf-8"))["sources"].values()
    assert not [part for source in sources for part in source.split(", ") if part not in credits]


def test_the_threat_model_is_a_page_that_points_to_what_is_there():
    text = (ROOT / ".github" / "SECURITY.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 90
    shown = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", text)
    assert len(shown) > 30
    for file, test in shown:
        path = ROOT / ("tests" if file.startswith("test_") else "medalign") / file
        assert path.is_file() and f"def {test}(" in path.read_text(encoding="utf-8") if test else path.is_file(), (file, test)


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


@pytest.mark.slow
def test_an_analysis_and_every_export_need_no_extra(run_without, cut, tmp_path):
    exports = [f"--{kind}={tmp_path / kind}" for kind in ("json", "csv", "vtt", "fhir", "html")]
    done = run_without(tuple(EXTRAS), "-m", "medalign", "analyze", cut("upset-stomach", 0.0, 13.8), *exports)
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / kind).stat().st_size for kind in ("json", "csv", "vtt", "fhir", "html"))


@pytest.mark.parametrize(
    ("extras", "commands", "told"),
    [
        (
            ("app",),
            [["serve"], ["feedback", "export", "--out", "x"]],
            ["'gradio'; run `pip install 'medalign[app]'`", "'sqlalchemy'; run `pip install 'medalign[app]'`"],
        ),
        pytest.param(("app", "train"), [TRAIN], ["'plotly'; run `pip install 'medalign[app]'` or "], marks=pytest.mark.slow),
        pytest.param(("train",), [TRAIN], ["'accelerate'; run `pip install 'medalign[train]'`"], marks=pytest.mark.slow),
    ],
)
def test_a_missing_extra_is_one_sentence_that_names_it(run_without, extras, commands, told):
    """The commands in turn in one process: importing what is there takes longest."""
    done = run_without(extras, "-c", f"from medalign.cli import main; print([main(command) for command in {commands}])")
    assert done.stdout == f"{[2] * len(commands)}\n"
    lines = done.stderr.splitlines()
    assert len(lines) == len(told) and all(words in line for words, line in zip(told, lines, strict=True)), lines


def test_a_package_of_two_extras_is_told_with_both(monkeypatch, capsys):
    def ask_for_plotly(_):
        raise ModuleNotFoundError("No module named 'plotly'", name="plotly.graph_objects")

    monkeypatch.setattr("medalign.cli.examples._examples", ask_for_plotly)
    assert main(["examples"]) == 2
    told = "medalign: this needs the package 'plotly'; run `pip install 'medalign[app]'` or `pip install 'medalign[train]'`\n"
    assert capsys.readouterr().err == told


@pytest.mark.slow
def test_the_page_needs_its_extra_alone(run_without):
    others = tuple(set(EXTRAS) - {"app"})
    done = run_without(others, "-c", "from medalign.cli.serve import build_demo; build_demo(feedback='off')")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_training_needs_its_extra_alone(run_without):
    others = tuple(set(EXTRAS) - {"train"})
    done = run_without(others, "-c", "from medalign.training.recipe import Recipe; from medalign.training.train import train")
    assert done.returncode == 0, done.stderr
