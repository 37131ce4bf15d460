"""What a server writes of its readers goes with its process, also with one that was killed."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from medalign.core import own_folder as module
from medalign.core.own_folder import PREFIX, own_folder

SERVER = """
import os, subprocess, sys, time
from pathlib import Path
from medalign.core.own_folder import own_folder
with own_folder() as folder:
    (folder / "upload").mkdir()
    (folder / "upload" / "recording.wav").write_bytes(b"said")
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
    print(folder, child.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Temporary folders of this process and of its children lie here."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def server() -> tuple[subprocess.Popen, Path, int]:
    """A process with its folder, and a program that it started; it ends when its input does."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    folder, child = process.stdout.readline().split()
    return process, Path(folder), int(child)


def test_recordings_of_a_killed_process_go_at_the_next_start_and_a_living_ones_stay(temporary):
    living, kept, sleeper = server()
    killed, left, orphan = server()
    with living, killed:
        try:
            killed.kill()
            killed.wait()
            assert (left / "upload" / "recording.wav").exists()
            with own_folder() as own:
                assert not left.exists() and (kept / "upload" / "recording.wav").read_bytes() == b"said"
                assert own.stat().st_mode & 0o777 == 0o700
            assert not own.exists()
            living.communicate("", timeout=30)
        finally:
            for pid in (sleeper, orphan):
                os.kill(pid, signal.SIGKILL)
    assert living.returncode == 0 and not list(temporary.iterdir())


def test_only_folders_of_this_user_are_swept(temporary, monkeypatch):
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)
    (temporary / f"{PREFIX}file").touch()
    (temporary / "medalign-other").mkdir()
    foreign = temporary / f"{PREFIX}foreign"
    foreign.mkdir()
    before = {path.name for path in temporary.iterdir()}
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    module.sweep()
    assert {path.name for path in temporary.iterdir()} == before and (elsewhere / "kept").exists()
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    module.sweep()
    assert {path.name for path in temporary.iterdir()} == before - {foreign.name} and (elsewhere / "kept").exists()


def test_servers_that_start_at_once_never_sweep_one_anothers():
    """A folder is swept before its process could lock it: then the process takes another."""
    stopped = threading.Event()

    def sweep() -> None:
        while not stopped.is_set():
            module.sweep()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(200):
            with own_folder() as folder:
                (folder / "recording.wav").touch()
    finally:
        stopped.set()
        sweeper.join()


def test_the_folder_for_uploads_lies_where_it_was_asked_for(tmp_path, monkeypatch):
    from medalign.cli.serve import _upload_folder
    from medalign.core.errors import MedAlignError

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with _upload_folder():
        assert Path(os.environ["GRADIO_TEMP_DIR"]).parent == tmp_path
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/proc/x")
    with pytest.raises(MedAlignError, match="/proc/x can't hold uploads .*GRADIO_TEMP_DIR"), _upload_folder():
        pass
