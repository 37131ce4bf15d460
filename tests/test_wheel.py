"""What a user installs: the wheel alone, in an environment that doesn't see the checkout, in an empty folder."""

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
from browser import free_port

from medalign.core.assets import EXAMPLES

ROOT = Path(__file__).parents[1]
START_S = 120  # how long the page may take to answer on a busy machine
pytestmark = [pytest.mark.slow, pytest.mark.models, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # links to what is packed, so that no build folder is left in the checkout
    source.mkdir()
    for name in ("medalign", "assets", "pyproject.toml", "README.md", "LICENSE", "requirements"):
        (source / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("medalign-*.whl")
    return path


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Runs the installed `medalign` in an empty folder."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])  # what it depends on is not downloaded again
    with ZipFile(wheel) as archive:
        archive.extractall(site)  # a wheel of pure Python is installed by unpacking it
    empty = folder / "empty"
    empty.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    python = [str(folder / "venv" / "bin" / "python"), "-P", "-m", "medalign"]

    where = [*python[:2], "-c", "import medalign; print(medalign.__file__)"]
    imported = subprocess.run(where, cwd=empty, env=environment, text=True, capture_output=True, check=True).stdout
    assert Path(imported.strip()).is_relative_to(site), "the installed package is tested, not the checkout"

    def start(*arguments: object, **options) -> subprocess.Popen:
        return subprocess.Popen([*python, *map(str, arguments)], cwd=empty, env=environment, text=True, **options)

    return start


def output(process: subprocess.Popen) -> str:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return out


def call(run, *arguments: object) -> str:
    return output(run(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE))


def test_the_wheel_holds_weights_and_examples_and_nothing_for_the_repository_alone(wheel):
    names = ZipFile(wheel).namelist()
    assert any(name.startswith("medalign/assets/checkpoints/") for name in names)
    assert f"medalign/assets/examples/analyses/{next(EXAMPLES.glob('*.flac')).stem}.json" in names
    assert "medalign/core/analysis.schema.json" in names
    assert not [name for name in names if "screenshots" in name or "results/" in name or name.startswith("tests")]
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "medalign").rglob("*.py")}
    assert code <= set(names)
    beside_code = {path for folder in ("static", "templates") for path in (ROOT / "medalign").glob(f"**/{folder}/*")}
    assert {str(path.relative_to(ROOT)) for path in beside_code} <= set(names) and len(beside_code) > 10


def test_the_installed_package_analyses_and_searches(run, cut):
    audio = cut("chest-pain", 0.0, 12.6)
    body = json.loads(call(run, "analyze", audio, "--json", "-"))
    assert body["concepts"] and body["transcript"]["segments"]
    assert "may be said here" in call(run, "search", audio, "chest pain")


def test_the_installed_package_lists_its_examples(run):
    pytest.importorskip("medalign.cli.examples")
    assert "chest-pain" in call(run, "examples")


@pytest.mark.slow
def test_the_installed_page_answers(run):
    pytest.importorskip("medalign.cli.serve")
    port = free_port()
    with run("serve", "--port", port, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(2 * START_S):
                assert server.poll() is None, f"medalign serve ended with code {server.returncode}"
                with (
                    contextlib.suppress(OSError),
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer,
                ):
                    assert answer.status == 200
                    return
                time.sleep(0.5)
            pytest.fail(f"no answer in {START_S} s")
        finally:
            server.terminate()
