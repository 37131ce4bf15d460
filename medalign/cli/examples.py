"""Commands about what comes with MedAlign, without any model: examples, schema, results."""

import argparse
from pathlib import Path

from medalign.cli.options import Commands, write_json


def add_commands(commands: Commands) -> None:
    """Add them to the subparsers of the command line."""
    examples = commands.add_parser("examples", help="the bundled example consultations, and where their recordings are")
    examples.add_argument("--json", dest="as_json", action="store_true", help="as JSON, for programs")
    examples.set_defaults(command=_examples)

    schema = commands.add_parser("schema", help="the JSON Schema of what `analyze --json` writes")
    schema.set_defaults(command=_schema)

    results = commands.add_parser("results", help="write the tables of README.md and assets/results from the committed figures")
    results.add_argument("--repository", type=Path, default=Path(), help="a checkout (default: the working directory)")
    results.set_defaults(command=_results)


def _examples(arguments: argparse.Namespace) -> None:
    from medalign.core.examples import load_examples

    rows = [
        {"title": e.title, "duration_s": e.duration_s, "audio": str(e.audio_path),
         "noisy_audio": str(e.noisy_audio_path) if e.noisy_audio_path else None}
        for e in load_examples()
    ]  # fmt: skip
    if arguments.as_json:
        write_json(rows, Path("-"))
        return
    for row in rows:
        print(f"{row['title']} ({row['duration_s']:.0f} s)\n  {row['audio']}")
        if row["noisy_audio"]:
            print(f"  {row['noisy_audio']} (noisy room)")


def _schema(arguments: argparse.Namespace) -> None:
    from medalign.core.analysis_schema import analysis_schema

    write_json(analysis_schema(), Path("-"))


def _results(arguments: argparse.Namespace) -> None:
    from medalign.report.results import write_results

    for path in write_results(arguments.repository):
        print(f"wrote {path}")
