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
from dataclasses import replace

from medalign.training.examples import Example, load_examples
from medalign.ui.engine import LazyEngine
from medalign.ui.page import build_app, launch_options


def arguments() -> argparse.Namespace:
    on_space = "SPACE_ID" in os.environ  # there the platform's proxy must reach the port
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--asr", default="tiny.en", help="speech recogniser, a faster-whisper name or folder")
    parser.add_argument("--teacher", default="all-MiniLM-L6-v2", help="language model that reads the transcript")
    parser.add_argument("--student", default="default", help="checkpoint that hears the audio")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--host", default="0.0.0.0" if on_space else "127.0.0.1", help="address to listen on")
    parser.add_argument("--port", default=7860, type=int)
    return parser.parse_args()


def with_noisy_versions(examples: tuple[Example, ...]) -> list[Example]:
    """Each example, followed by its recording in a noisy room where there is one."""
    listed = []
    for example in examples:
        listed.append(example)
        if example.noise:
            summary = f"The same with people talking in the background ({example.noise.snr_db:.0f} dB)."
            noisy = {"title": f"{example.title}, noisy room", "summary": summary, "audio_path": example.noisy_audio_path}
            listed.append(replace(example, **noisy))
    return listed


def main() -> None:
    options = arguments()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")

    def load():
        from medalign.analyzer import Analyzer  # imports torch: seconds that the page need not wait for

        return Analyzer.default(asr=options.asr, teacher=options.teacher, student=options.student, device=options.device)

    engine = LazyEngine(load)
    engine.warm_up()
    # Uploads live in a folder of this process and go with it, also when a supervisor stops it: Gradio's own clean-up
    # runs on a schedule and on Ctrl-C only.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="medalign-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        page = build_app(engine, with_noisy_versions(load_examples()))
        page.launch(server_name=options.host, server_port=options.port, **launch_options())


if __name__ == "__main__":
    main()
