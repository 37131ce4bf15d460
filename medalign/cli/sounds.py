"""Commands for body sounds: public collections as tables, and what features tell about their labels."""

import argparse
from pathlib import Path

from medalign.cli.options import Commands, check_output, in_columns
from medalign.core.errors import MedAlignError


def add_commands(commands: Commands) -> None:
    """Add them to the subparsers of the command line."""
    sounds = commands.add_parser("sounds", help="a public collection of body sounds as a table of recordings and labels")
    sounds.add_argument("collection", metavar="SET", nargs="?", help="its name (default: lists those that are known)")
    sounds.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, help="where it lies, as it was published")
    sounds.add_argument("--out", type=Path, help="the table to write, for `reports`, `audit` and `probe`")
    sounds.set_defaults(command=_sounds)


def _sounds(arguments: argparse.Namespace) -> None:
    from medalign.training.data.body_sounds import collections, write_table

    if arguments.collection is None:
        rows = [(name, one["kind"], one["licence"], one["home"]) for name, one in collections().items()]
        print("\n".join(in_columns([("set", "kind", "licence", "where"), *rows])))
        return
    if arguments.folder is None or arguments.out is None:
        raise MedAlignError("`medalign sounds SET FOLDER --out TABLE` needs all three; without any it lists the sets")
    check_output(arguments.out)
    counts = write_table(arguments.collection, arguments.folder, arguments.out)
    one = collections()[arguments.collection]
    print(f"{arguments.out}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    print(f"{one['title']}. Licence: {one['licence']}. Cite: {one['cite']}.\nPersons: {one['person']}. Split: {one['split']}.")
    print("\n".join(f"Beware: {trap}." for trap in one["traps"]))
    if one["layout_known"] != "files":
        print(f"How its files lie is known from: {one['layout_known']}. Check the table.")
