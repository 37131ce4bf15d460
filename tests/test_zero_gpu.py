"""ZeroGPU, played by a `spaces` module that forks as the real one does: what runs where, and what if no GPU is lent."""

import contextvars
import importlib
import multiprocessing
import os
import pickle
import subprocess
import sys
import warnings
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from browser import free_port
from test_serve import ROOT, wait_until

from medalign.core.audio import SAMPLE_RATE_HZ, load_recording
from medalign.models import zero_gpu
from medalign.models.borrowing import BorrowingStudent, BorrowingTeacher
from medalign.models.device import choose_device, noting
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.listener import Listener

reader = contextvars.ContextVar("reader")  # as Gradio keeps the request, by which ZeroGPU counts a reader's share


class Lender(ModuleType):
    """`spaces`: a decorated function runs in a fork; arguments and result go through a pipe."""

    def __init__(self):
        super().__init__("spaces")
        self.decorated, self.calls, self.refuses = [], [], False

    def GPU(self, *, duration):
        def decorate(function):
            def call(*given):
                if self.refuses:
                    raise RuntimeError("You have exceeded your ZeroGPU quota")
                self.calls.append((function.__name__, duration(*given), reader.get(None)))
                return self._in_fork(function, pickle.dumps(given))

            self.decorated.append(function.__name__)
            return call

        return decorate

    def _in_fork(self, function, pickled):
        assert not torch.cuda.is_initialized()
        ours, theirs = multiprocessing.Pipe()

        def run():
            theirs.send_bytes(pickle.dumps(function(*pickle.loads(pickled))))

        with warnings.catch_warnings(action="ignore"):  # Python's, of forks beside threads: what ZeroGPU does
            process = multiprocessing.get_context("fork").Process(target=run, daemon=True)
            process.start()
        theirs.close()
        try:
            return pickle.loads(ours.recv_bytes())
        finally:
            process.join(30)


@pytest.fixture
def lender(monkeypatch):
    """ZeroGPU without a GPU: PyTorch says that there is one, and touching it is an error."""

    def touched(*_):
        raise AssertionError("CUDA was touched before the fork")

    lender = Lender()
    monkeypatch.setitem(sys.modules, "spaces", lender)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", touched)
    importlib.reload(zero_gpu)
    monkeypatch.setattr(zero_gpu, "DEVICE", "cpu")
    yield lender
    monkeypatch.undo()
    importlib.reload(zero_gpu)


def test_the_page_keeps_its_models_on_the_cpu_and_borrows_a_gpu_by_the_length_of_the_work(lender):
    assert lender.decorated == ["frames_on_gpu", "embeddings_on_gpu"]
    assert [choose_device(device) for device in ("auto", "cuda", "cpu")] == ["cpu"] * 3
    minutes = [np.zeros(minutes * 60 * SAMPLE_RATE_HZ, np.int8) for minutes in (0, 1, 60)]
    assert [zero_gpu.seconds_for_sound("default", waveform) for waveform in minutes] == [10, 12, 82]
    assert [zero_gpu.seconds_for_texts("x", [""] * n) for n in (0, 1000, 10**6)] == [10, 20, 120]


def test_a_recording_is_heard_and_read_on_a_lent_gpu_and_on_the_cpu_if_none_is_lent(
    lender, analyzer, streamed, cut, monkeypatch
):
    monkeypatch.setattr("medalign.models.borrowing.WORTH_IT", 1)
    listener = Listener.default()
    assert isinstance(listener.student, BorrowingStudent) and isinstance(listener.teacher, BorrowingTeacher)
    monkeypatch.setattr("medalign.models.student.Student.from_pretrained", None)  # the fork has the model already
    path = cut("chest-pain", 0, 9)
    recording, plain_steps = load_recording(path), streamed(path)
    plain = plain_steps[-1]
    reader.set("one reader")
    written = SimpleNamespace(info=analyzer.transcriber.info, scorer=analyzer.transcriber.scorer)
    written.stream = lambda _: iter([plain_steps[-2].transcript])  # as it was written before; no GPU is lent for that
    lent = Analyzer(written, listener).analyze(recording)
    sound, *texts = lender.calls
    assert sound == ("frames_on_gpu", 11, "one reader") and {name for name, *_ in texts} == {"embeddings_on_gpu"}
    assert lent.warnings == plain.warnings and lent.transcript == plain.transcript
    assert [row.code for row in lent.concepts] == [row.code for row in plain.concepts]
    lender.refuses = True
    with noting(notices := []):
        frames = listener.student.frames(recording.levelled)
        assert listener.teacher.encode(["a cough"]).shape == (1, 384)
    assert torch.equal(frames, analyzer.listener.student.frames(recording.levelled))
    assert len(notices) == 2 and all("No GPU was lent" in notice and "on the CPU" in notice for notice in notices)


def test_what_was_loaded_after_the_fork_is_loaded_there(lender, monkeypatch):
    class Loaded:
        def __init__(self, name):
            self.model = self

        def to(self, device):
            return self

        def encode(self, texts):
            return np.full((len(texts), 2), os.getpid())

    monkeypatch.setattr("medalign.models.teacher.Teacher", Loaded)
    (found,) = zero_gpu.embeddings_on_gpu("new", ["x"])
    assert found[0] != os.getpid() and ("teacher", "new") not in zero_gpu._held


SPACES = """
import atexit, sys
assert not {"torch", "gradio", "medalign"} & sys.modules.keys(), "spaces has to be first"
def GPU(*, duration):
    def decorate(function):
        assert callable(duration)
        print("decorated", function.__name__, flush=True)
        return function
    return decorate
def gradio_auto_wrap(function):  # Gradio asks for it
    return function
def tell():
    torch = sys.modules.get("torch")
    print("CUDA", torch is not None and torch.cuda.is_initialized(), flush=True)
atexit.register(tell)
"""


@pytest.mark.parametrize("lends_gpus", [True, False])
@pytest.mark.slow
def test_the_page_starts_on_a_space(lends_gpus, tmp_path):
    """`python app.py` with what Spaces sets, and nothing else; one of CPUs has the package `spaces`, too, but lends nothing."""
    files = {
        "spaces/__init__.py": SPACES,
        "spaces/reloading.py": "def start_reload_server(**_): pass",  # Gradio watches the Space's files by it
        "spaces-0.51.3.dist-info/METADATA": "Name: spaces\nVersion: 0.51.3\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    port = free_port()
    on_space = {
        "SYSTEM": "spaces", "SPACE_ID": "owner/medalign", "SPACE_HOST": "owner-medalign.hf.space",
        **({"SPACES_ZERO_GPU": "true"} if lends_gpus else {}),
        "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": str(port), "MEDALIGN_FEEDBACK": "off",
    }  # fmt: skip
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = {**os.environ, **on_space, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
    with (tmp_path / "log").open("w") as log, subprocess.Popen(
        [sys.executable, str(ROOT / "app.py")], cwd=tmp_path, env=environment, stdout=log, stderr=log
    ) as server:  # fmt: skip
        try:
            wait_until(lambda: answers(port, on_space["SPACE_HOST"]), server)
        finally:
            server.terminate()
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[:2] == ["decorated frames_on_gpu", "decorated embeddings_on_gpu"] and lines[-1] == "CUDA False", lines
    assert not any("Traceback" in line for line in lines)


def answers(port: int, host: str) -> bool:
    """Whether the page answers under the Space's name, as the platform's proxy asks for it."""
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(f"http://127.0.0.1:{port}/", headers={"Host": host}), timeout=30) as answer:
            return "MedAlign" in answer.read().decode()
    except OSError:
        return False
