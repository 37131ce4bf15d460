"""Start the page: `python app.py`, then open the address it prints.

On a Hugging Face Space this file is the entry point. It assembles and launches, nothing else: no model is imported
before the page is up.
"""

import argparse
import logging
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from medalign.core.assets import CHECKPOINTS
from medalign.core.examples import Example, analysis_path, load_examples
from medalign.core.weights import DEFAULT_STUDENT
from medalign.feedback import DEFAULT_STORE, FeedbackStore
from medalign.feedback.reliability import load_reliability
from medalign.report.comparison import Candidate
from medalign.ui.engine import LazyEngine
from medalign.ui.page import build_app, launch_options

CONTENDERS_HELD = 3  # analyzers kept loaded for comparisons, about half a gigabyte each


def arguments() -> argparse.Namespace:
    on_space = "SPACE_ID" in os.environ  # there the platform's proxy must reach the port
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--asr", default="tiny.en", help="speech recogniser, a faster-whisper name or folder")
    parser.add_argument("--teacher", default="all-MiniLM-L6-v2", help="language model that reads the transcript")
    parser.add_argument("--student", default="default", help="checkpoint that hears the audio")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--host", default="0.0.0.0" if on_space else "127.0.0.1", help="address to listen on")
    parser.add_argument("--port", default=7860, type=int)
    parser.add_argument(
        "--feedback", default=os.environ.get("MEDALIGN_FEEDBACK", DEFAULT_STORE), metavar="URL",
        help="database of feedback, a SQLAlchemy URL or an SQLite file; 'off' keeps none (default: $MEDALIGN_FEEDBACK)",
    )  # fmt: skip
    parser.add_argument("--examples-only", action="store_true", help="take no recordings from readers")
    return parser.parse_args()


@dataclass(frozen=True)
class Offer:
    """An example as the page offers it."""

    title: str
    summary: str
    audio_path: Path
    analysis_path: Path | None  # its result, if it was computed beforehand by the models in use


def offers(examples: tuple[Example, ...], with_results: bool) -> list[Offer]:
    """Each example, followed by its recording in a noisy room where there is one."""
    listed = []
    for example in examples:
        listed.append((example.title, example.summary, example.audio_path))
        if example.noise:
            summary = f"The same with people talking in the background ({example.noise.snr_db:.0f} dB)."
            listed.append((f"{example.title}, noisy room", summary, example.noisy_audio_path))
    return [Offer(title, summary, path, analysis_path(path) if with_results else None) for title, summary, path in listed]


def main() -> None:
    options = arguments()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")

    def load_models(asr: str, teacher: str, student: str):
        from medalign.pipeline.analyzer import Analyzer  # imports torch: seconds that the page need not wait for

        return Analyzer.default(asr=asr, teacher=teacher, student=student, device=options.device)

    def load():
        return load_models(options.asr, options.teacher, options.student)

    @lru_cache(maxsize=CONTENDERS_HELD)
    def load_contender(candidate: Candidate):
        from medalign.pipeline.footprint import footprint

        analyzer = load_models(candidate.asr, candidate.teacher, candidate.student)
        return analyzer, footprint(analyzer).total

    engine = LazyEngine(load)
    engine.warm_up()
    # Uploads live in a folder of this process and go with it, also when a supervisor stops it: Gradio's own clean-up
    # runs on a schedule and on Ctrl-C only.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="medalign-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        store = None if options.feedback == "off" else FeedbackStore(options.feedback)
        defaults = (options.asr, options.teacher, options.student) == ("tiny.en", "all-MiniLM-L6-v2", "default")
        student_folder = CHECKPOINTS / DEFAULT_STUDENT if options.student == "default" else Path(options.student)
        page = build_app(engine, offers(load_examples(), defaults), store=store, load_contender=load_contender,
                         takes_own=not options.examples_only, any_model="SPACE_ID" not in os.environ,
                         reliability=load_reliability(student_folder))  # fmt: skip
        page.launch(server_name=options.host, server_port=options.port, **launch_options())


if __name__ == "__main__":
    main()
