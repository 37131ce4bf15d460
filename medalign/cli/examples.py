"""The command that lists the bundled examples, which an installed MedAlign keeps inside the package."""

import argparse
import json
import sys


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add it to the subparsers of the command line."""
    examples = commands.add_parser("examples", help="the bundled example consultations, and where their recordings are")
    examples.add_argument("--json", action="store_true", help="as JSON, for programs")
    examples.set_defaults(command=_examples)


def _examples(arguments: argparse.Namespace) -> None:
    from medalign.core.examples import load_examples

    rows = [
        {"title": e.title, "duration_s": e.duration_s, "audio": str(e.audio_path),
         "noisy_audio": str(e.noisy_audio_path) if e.noisy_audio_path else None}
        for e in load_examples()
    ]  # fmt: skip
    if arguments.json:
        json.dump(rows, sys.stdout, indent=2)
        print()
        return
    for row in rows:
        print(f"{row['title']} ({row['duration_s']:.0f} s)\n  {row['audio']}")
        if row["noisy_audio"]:
            print(f"  {row['noisy_audio']} (noisy room)")
