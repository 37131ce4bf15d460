"""`medalign serve` and `app.py`: the address from flags and environment, and one set of models for page and comparison."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medalign.cli import _parser, main
from medalign.core.model_options import ModelOptions
from medalign.report.comparison import candidates, parse_candidate
from medalign.ui.engine import MAX_OTHERS, ModelRegistry


def address(*flags: str) -> tuple[str, int, str]:
    options = _parser().parse_args(["serve", *flags])
    return options.host, options.port, options.root_path


def test_the_address_comes_from_flags_then_gradios_variables_then_defaults(monkeypatch):
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "GRADIO_ROOT_PATH", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    assert address() == ("127.0.0.1", 7860, "")
    monkeypatch.setenv("SPACE_ID", "owner/name")
    assert address()[0] == "0.0.0.0"
    monkeypatch.setenv("GRADIO_SERVER_NAME", "10.0.0.1")
    monkeypatch.setenv("GRADIO_SERVER_PORT", "8123")
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/medalign")
    assert address() == ("10.0.0.1", 8123, "/medalign")
    assert address("--host", "localhost", "--port", "9000", "--root-path", "/x") == ("localhost", 9000, "/x")


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1", "²"])
def test_a_port_that_is_none_is_refused_from_the_environment_too(port, monkeypatch, capsys):
    monkeypatch.setenv("GRADIO_SERVER_PORT", port)
    with pytest.raises(SystemExit) as stopped:
        _parser().parse_args(["serve"])
    assert stopped.value.code == 2 and "from 1 to 65535" in capsys.readouterr().err


def test_a_bad_port_in_the_environment_does_not_disturb_other_commands(monkeypatch, capsys):
    monkeypatch.setenv("GRADIO_SERVER_PORT", "http")
    assert main(["examples"]) == 0
    listed = [Path(line.split(" (")[0].strip()) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert listed and all(path.is_file() for path in listed)


def test_importing_app_gives_the_page_and_loads_no_model():
    code = "import sys, app, gradio; assert isinstance(app.demo, gradio.Blocks); print('torch' in sys.modules)"
    env = {**os.environ, "MEDALIGN_FEEDBACK": "off"}
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_models_are_loaded_once_and_the_pages_own_are_never_let_go():
    loads = []
    registry = ModelRegistry(lambda models: loads.append(models) or object(), kept=ModelOptions())
    own = registry(ModelOptions())
    others = [ModelOptions(asr=f"other-{i}") for i in range(MAX_OTHERS + 1)]
    for models in (*others, others[-1]):
        registry(models)
    assert registry(ModelOptions()) is own and loads == [ModelOptions(), *others]
    registry(others[0])  # was let go for the last one
    assert loads[-1] == others[0]


def test_a_load_that_failed_is_tried_again():
    answers = iter([RuntimeError("gone"), "engine"])

    def load(models):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    registry = ModelRegistry(load, kept=ModelOptions())
    with pytest.raises(RuntimeError):
        registry(ModelOptions())
    assert registry(ModelOptions()) == "engine"


def test_candidates_start_from_the_models_of_the_operator():
    in_use = ModelOptions(asr="small.en", student="/home/me/runs/first")
    first, _, unaligned = candidates(in_use)
    assert (first.name, first.asr, first.student) == ("in use (small.en)", "small.en", "/home/me/runs/first")
    assert (unaligned.asr, unaligned.student) == ("small.en", "unaligned")
    named = parse_candidate("asr=base", in_use)
    assert (named.name, named.asr, named.student) == ("asr base", "base", "/home/me/runs/first")
    assert candidates()[0].name == "shipped (tiny.en)"
