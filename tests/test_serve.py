"""`medalign serve` and `app.py`: the address from flags and environment, and one set of models for page and comparison."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from browser import START_S, free_port

from medalign.cli import _parser, main
from medalign.core.model_options import ModelOptions
from medalign.report.comparison import candidates, parse_candidate
from medalign.ui.engine import MAX_OTHERS, ModelRegistry

ROOT = Path(__file__).parents[1]


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


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"GRADIO_ROOT_PATH": "foo"}, "'foo' is no place under which a proxy serves the page; begin it with / or"),
        ({"GRADIO_NUM_PORTS": "x"}, "$GRADIO_NUM_PORTS is 'x'; give a whole number"),
        ({"GRADIO_DEFAULT_CONCURRENCY_LIMIT": "abc"}, "$GRADIO_DEFAULT_CONCURRENCY_LIMIT is 'abc'"),
        ({"GRADIO_SERVER_NAME": "no such host"}, "at no such host:"),
        ({"GRADIO_SERVER_NAME": "192.0.2.1"}, "change --host or $GRADIO_SERVER_NAME"),
        ({"GRADIO_SERVER_PORT": "taken"}, "Address already in use); change --port or $GRADIO_SERVER_PORT"),
    ],
)
def test_a_setting_of_the_environment_that_cannot_be_is_one_sentence(variables, told, monkeypatch, capsys):
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("taken", str(taken.getsockname()[1])))
        try:
            status = main(["serve", "--feedback", "off"])
        except SystemExit as stopped:
            status = stopped.code
    said = capsys.readouterr().err.strip()
    assert status == 2 and told in said and "Traceback" not in said


def test_a_bad_port_in_the_environment_does_not_disturb_other_commands(monkeypatch, capsys):
    monkeypatch.setenv("GRADIO_SERVER_PORT", "http")
    assert main(["examples"]) == 0
    listed = [Path(line.split(" (")[0].strip()) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert listed and all(path.is_file() for path in listed)


@pytest.mark.slow
def test_importing_app_gives_the_page_and_loads_no_model():
    code = "import sys, app, gradio; assert isinstance(app.demo, gradio.Blocks); print('torch' in sys.modules)"
    env = {**os.environ, "MEDALIGN_FEEDBACK": "off"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.slow
def test_gradio_serves_what_app_py_makes_of_the_page_after_each_change(tmp_path):
    """`gradio app.py`: the page answers, the file is changed, and the new page answers with its style and scripts."""
    app = Path(shutil.copy(ROOT / "app.py", tmp_path))
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MEDALIGN_FEEDBACK": "off", "PYTHONUNBUFFERED": "1"}
    command = [
        sys.executable,
        "-c",
        "from gradio.cli import cli; cli()",
        app.name,
        "--",
        "--port",
        str(port),
        "--asr",
        "nowhere",
    ]
    page = f"http://127.0.0.1:{port}/"
    with (tmp_path / "log").open("w") as log, subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
    ) as server:  # fmt: skip
        try:
            wait_until(lambda: "MedAlign" in read(page), server)
            app.write_text(app.read_text() + 'demo.title = "Changed"\n')

            def has_changed() -> bool:
                app.touch()  # again: Gradio takes its first look at the file a while after the page is up
                time.sleep(2)
                return "Changed" in read(page)

            wait_until(has_changed, server)
            assert "medalignSend" in read(page), "scripts and style are there again"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
    assert "Traceback" not in without_gradios_race((tmp_path / "log").read_text())


def without_gradios_race(log: str) -> str:
    """Gradio's watcher lists `sys.modules` while other threads import; where that fails, it looks again and then reloads."""
    race = r"Traceback \(most recent call last\):\n(?: .*\n)*?.*list\(sys\.modules\.items\(\)\)\n(?: .*\n)?"
    return re.sub(race + r"RuntimeError: dictionary changed size during iteration\n", "", log)


def read(address: str) -> str:
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read().decode()
    return ""


def wait_until(is_so, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_S
    while not is_so():
        assert server.poll() is None and time.monotonic() < deadline
        time.sleep(0.3)


def test_a_tunnel_that_cannot_be_built_is_one_sentence(monkeypatch, capsys):
    def unreachable(**_):
        raise RuntimeError("Could not get share link from Gradio API Server.")

    monkeypatch.setattr("gradio.networking.setup_tunnel", unreachable)
    monkeypatch.setattr("medalign.cli.serve._load", lambda models: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # is set anew, and must not stay
    assert main(["serve", "--share", "--port", str(free_port()), "--feedback", "off"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("medalign: no public address") and told.err.count("\n") == 1 and not told.out


def test_a_page_at_rest_looks_for_work_a_hundred_times_a_second():
    import gradio as gr

    from medalign.ui.page import build_app

    with gr.Blocks() as plain:
        plain.queue()
    own = build_app(lambda: None)
    assert plain._queue.sleep_when_free < 0.005, "Gradio's own is no longer too often: let it be, or its name has changed"
    assert own._queue.sleep_when_free == 0.01


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
