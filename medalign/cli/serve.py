"""The command that starts the page: serve. `app.py` is a thin door to the same.

Here the page is assembled from its parts; no model is imported before it is up.
"""

import argparse
import errno
import io
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.cli import reach
from medalign.cli.options import Manual, model_options, models_of, positive
from medalign.core.errors import MedAlignError
from medalign.core.files import check_writable, first_line
from medalign.core.model_options import ModelOptions
from medalign.feedback.limits import N_ROWS

if TYPE_CHECKING:
    from medalign.core.examples import Example
    from medalign.report.comparison import Candidate
    from medalign.ui.engine import Engine, ModelRegistry
    from medalign.ui.page import Page

DEFAULT_PORT = 7860
NUMBERS = ("GRADIO_NUM_PORTS", "GRADIO_NODE_NUM_PORTS", "GRADIO_NUM_WORKERS", "GRADIO_DEFAULT_CONCURRENCY_LIMIT")
MAY_BE_NONE = {"GRADIO_DEFAULT_CONCURRENCY_LIMIT"}
FEEDBACK_VARIABLE = "MEDALIGN_FEEDBACK"
NO_TUNNEL = (
    "no public address: Gradio's tunnel can't be reached from here; check the connection to the internet, or start without "
    "--share and put the page behind a proxy of your own"
)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add it to the subparsers of the command line."""
    serve = commands.add_parser("serve", help="the page: record, analyse, compare, give feedback", formatter_class=Manual)
    model_options(serve, asr=True, teacher=True, student=True)
    on_space = "SPACE_ID" in os.environ  # there the platform's proxy must reach the port
    host = os.environ.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if on_space else "127.0.0.1")
    serve.add_argument(
        "--host",
        type=reach.address,
        default=host,
        help="address to listen on (default: $GRADIO_SERVER_NAME, else this machine)",
    )
    # A string, so that argparse checks the environment's value as it checks a flag's.
    port = os.environ.get("GRADIO_SERVER_PORT") or str(DEFAULT_PORT)
    serve.add_argument("--port", type=_port, default=port, help=f"(default: $GRADIO_SERVER_PORT, else {DEFAULT_PORT})")
    root = os.environ.get("GRADIO_ROOT_PATH", "")
    serve.add_argument(
        "--root-path", type=_root_path, default=root, metavar="PATH", help="path or address under which a proxy serves the page"
    )
    serve.add_argument("--share", action="store_true", help="also give a public address through Gradio's tunnel")
    store = os.environ.get(FEEDBACK_VARIABLE)
    serve.add_argument(
        "--feedback", default=store, metavar="URL",
        help=f"database of feedback: SQLAlchemy URL or SQLite file; 'off' keeps none (default: ${FEEDBACK_VARIABLE}, "
             "else runs/feedback.sqlite3)",
    )  # fmt: skip
    rows = "rows that the database may have, some 200 bytes each; then no more feedback is taken"
    serve.add_argument("--feedback-rows", type=positive, default=N_ROWS, metavar="N", help=rows)
    serve.add_argument("--examples-only", action="store_true", help="take no recordings from readers")
    reach.add_options(serve)
    serve.set_defaults(command=_serve)


def _port(value: str) -> int:
    """A port number; 0 is not one, since nobody would know the address."""
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 65535:
        raise argparse.ArgumentTypeError(f"'{value}' is no port; give a number from 1 to 65535 (also in $GRADIO_SERVER_PORT)")
    return int(value)


def _root_path(value: str) -> str:
    if value and not value.startswith(("/", "http://", "https://")):
        lacks = f"'{value}' is no place under which a proxy serves the page; begin it with / or https://"
        raise argparse.ArgumentTypeError(f"{lacks} (also in $GRADIO_ROOT_PATH)")
    return value


def _check_gradios_numbers() -> None:
    """What Gradio reads as numbers while it is imported. Raises MedAlignError."""
    for name in NUMBERS:
        value = os.environ.get(name, "")
        if value and not (value.isascii() and value.isdigit()) and not (name in MAY_BE_NONE and value.lower() == "none"):
            raise MedAlignError(f"${name} is '{value}'; give a whole number, or unset it")


def _check_address(host: str, port: int) -> None:
    """Raises MedAlignError: nothing can listen there."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except (OSError, UnicodeError) as error:
        is_of_port = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES)
        other = "--port or $GRADIO_SERVER_PORT" if is_of_port else "--host or $GRADIO_SERVER_NAME"
        raise MedAlignError(f"the page can't be served at {host}:{port} ({first_line(error)}); change {other}") from error


def _serve(arguments: argparse.Namespace) -> None:
    _check_gradios_numbers()
    with _upload_folder() as is_first:  # first of all: Gradio makes its own folder while it is imported
        from medalign.ui.page import launch_options

        if is_first:  # else Gradio listens there already
            _check_address(arguments.host, arguments.port)
        options = launch_options(reach.hosts(arguments))
        page = build_demo(
            models_of(arguments), feedback=arguments.feedback, feedback_rows=arguments.feedback_rows,
            examples_only=arguments.examples_only, any_model=arguments.any_model or reach.is_private(arguments), warm=is_first,
        )  # fmt: skip
        getattr(arguments, "names", {})["demo"] = page  # of app.py, where Gradio looks for it
        _launch(page, arguments, options)


@contextmanager
def _upload_folder() -> Iterator[bool]:
    """A folder for uploads that goes with this process; False if that is there already.

    It goes also when a supervisor stops the process: Gradio's own clean-up runs on a schedule and on Ctrl-C only. With
    `gradio app.py` the file is run again after each change, in a thread beside the server.
    """
    from medalign.core.own_folder import own_folder

    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if parent := os.environ.get("GRADIO_TEMP_DIR"):
        check_writable(Path(parent), "uploads", error=MedAlignError, remedy="change or unset $GRADIO_TEMP_DIR")
    with own_folder(parent) as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        yield True


def _launch(page: "Page", arguments: argparse.Namespace, options: dict) -> None:
    """Serve until stopped; a page that Gradio serves already, in place of an older one, only gets its style and scripts."""
    address = {"server_name": arguments.host, "server_port": arguments.port, "root_path": arguments.root_path or None}
    # Gradio tells a tunnel that can't be built in paragraphs, and goes on without.
    silence: AbstractContextManager = redirect_stdout(io.StringIO()) if arguments.share else nullcontext()
    try:
        with silence:
            page.launch(**address, share=arguments.share, prevent_thread_lock=arguments.share, **options)
    except (OSError, ValueError) as error:  # a ValueError: it doesn't answer, as behind a proxy for this machine's own names
        raise MedAlignError(f"the page can't be served at {arguments.host}:{arguments.port} ({first_line(error)})") from error
    if arguments.share and page.is_running:
        if page.share_url is None:
            page.close(verbose=False)
            raise MedAlignError(NO_TUNNEL)
        print(f"* Running on {page.local_url} and, for a week at most, on {page.share_url}")
        page.block_thread()


def build_demo(
    models: ModelOptions | None = None,
    *,
    feedback: str | None = None,
    feedback_rows: int = N_ROWS,
    examples_only: bool = False,
    any_model: bool = False,
    warm: bool = False,
) -> "Page":
    """The page with its models, examples and feedback, unlaunched.

    Args:
        models: the shipped ones if None.
        feedback: the database; None is $MEDALIGN_FEEDBACK or else the usual file, 'off' is none.
        feedback_rows: how many rows it may have.
        any_model: readers may compare models that they name, folders and Hub models; else those on the list.
        warm: load the models and the examples now, in the background, instead of at the first press.
    """
    from medalign.core.assets import CHECKPOINTS
    from medalign.core.examples import load_examples
    from medalign.core.weights import DEFAULT_STUDENT
    from medalign.feedback.database import DEFAULT_STORE
    from medalign.feedback.reliability import load_reliability
    from medalign.feedback.store import FeedbackStore
    from medalign.models import zero_gpu  # noqa: F401  ZeroGPU looks for its functions when the page is launched
    from medalign.ui.engine import Comparing, LazyEngine, ModelRegistry
    from medalign.ui.page import build_app
    from medalign.ui.stored import prepare

    models = models or ModelOptions()
    registry = ModelRegistry(_load, kept=models)
    engine = LazyEngine(lambda: registry(models))
    if warm:
        engine.warm_up()
    database = feedback or os.environ.get(FEEDBACK_VARIABLE) or DEFAULT_STORE
    shipped = ModelOptions()
    is_shipped = (models.asr, models.teacher, models.student) == (shipped.asr, shipped.teacher, shipped.student)
    student = CHECKPOINTS / DEFAULT_STUDENT if models.student == shipped.student else Path(models.student)
    comparing = Comparing(lambda side: _load_candidate(registry, side, models.device), models, any_model, _find_candidate)
    examples = offers(load_examples(), is_shipped)
    if warm:
        prepare(examples)
    return build_app(
        engine, examples,
        store=None if database == "off" else FeedbackStore(database, n_rows=feedback_rows),
        comparing=comparing, takes_recordings=not examples_only, reliability=load_reliability(student),
    )  # fmt: skip


def _load(models: ModelOptions) -> "Engine":
    from medalign.pipeline.analyzer import Analyzer  # imports torch: seconds that the page need not wait for

    return Analyzer.default(asr=models.asr, teacher=models.teacher, student=models.student, device=models.device)


def _find_candidate(candidate: "Candidate") -> None:
    from medalign.batch.worker import find_models

    find_models(ModelOptions(candidate.asr, candidate.teacher, candidate.student))


def _load_candidate(registry: "ModelRegistry", candidate: "Candidate", device: str) -> "tuple[Engine, int]":
    """The engine of one side of a comparison, and the bytes of its weights; models that are held are not loaded again."""
    from medalign.pipeline.analyzer import Analyzer
    from medalign.pipeline.footprint import footprint

    engine = registry(ModelOptions(candidate.asr, candidate.teacher, candidate.student, device))
    assert isinstance(engine, Analyzer)  # what `_load` gives
    return engine, footprint(engine).total


@dataclass(frozen=True)
class Offer:
    """An example as the page offers it."""

    title: str
    summary: str
    audio_path: Path
    analysis_path: Path | None  # its result, if it was computed beforehand by the models in use


def offers(examples: "Sequence[Example]", with_results: bool) -> list[Offer]:
    """Each example, followed by its recording in a noisy room where there is one."""
    from medalign.core.examples import analysis_path

    listed = []
    for example in examples:
        listed.append((example.title, example.summary, example.audio_path))
        if example.noise and example.noisy_audio_path:
            summary = f"The same with people talking in the background ({example.noise.snr_db:.0f} dB)."
            listed.append((f"{example.title}, noisy room", summary, example.noisy_audio_path))
    return [Offer(title, summary, path, analysis_path(path) if with_results else None) for title, summary, path in listed]
