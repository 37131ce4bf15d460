"""The command that writes the repository's tables of results."""

import argparse
from pathlib import Path

from medalign.cli.options import Commands


def add_commands(commands: Commands) -> None:
    """Add it to the subparsers of the command line."""
    results = commands.add_parser("results", help="write the tables of README.md and assets/results from the committed figures")
    results.add_argument("--repository", type=Path, default=Path(), help="a checkout (default: the working directory)")
    results.set_defaults(command=_results)


def _results(arguments: argparse.Namespace) -> None:
    from medalign.report.results import write_results

    for path in write_results(arguments.repository):
        print(f"wrote {path}")
