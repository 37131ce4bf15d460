"""`medalign serve` in a process of its own, with a hand-made engine in place of the models, which would take long to load."""

import os
import sys
import tempfile

import page_fixtures

from medalign.cli import main, serve

# What every replica needs is imported once: they are copies of one process that has it all.
from medalign.feedback import store  # noqa: F401
from medalign.ui import page  # noqa: F401


def run(arguments: list[str], folder: str) -> None:
    """
    Args:
        arguments: of the command line.
        folder: for temporary files.
    """
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    serve._load = lambda models: page_fixtures.FakeEngine(page_fixtures.analysis())
    sys.exit(main(arguments))
