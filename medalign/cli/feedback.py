"""Commands on the feedback database: export, manifest, withdraw, events, push."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.cli.options import Commands, check_output, manual
from medalign.core.errors import MedAlignError

if TYPE_CHECKING:
    from medalign.feedback.store import FeedbackStore

STORE_VARIABLE = "MEDALIGN_FEEDBACK"  # for the command line only; the package reads no environment
FORMATS = ("jsonl", "csv", "parquet")


def add_commands(commands: Commands) -> None:
    """Add `feedback` and its actions to the subparsers of the command line."""
    feedback = commands.add_parser(
        "feedback", help="feedback on results: export it, train on it, withdraw it", **manual("feedback")
    )
    actions = feedback.add_subparsers(required=True, metavar="ACTION")

    export = _action(actions, "export", _export, "write all feedback as files")
    export.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a file for each table, and README.md")
    export.add_argument("--format", choices=FORMATS, default="jsonl", help="(default: jsonl)")

    manifest = _action(actions, "manifest", _manifest, "turn what people confirmed into a training manifest")
    manifest.add_argument(
        "--recordings", type=Path, required=True, metavar="CSV", help="columns result_id and path: the audio that you hold"
    )
    manifest.add_argument("--out", type=Path, required=True, metavar="MANIFEST", help="the manifest to write")

    withdraw = _action(actions, "withdraw", _withdraw, "delete everything that was given under a receipt code")
    withdraw.add_argument("code", metavar="CODE", help="such as K7QM-3FDA-9XPT")

    events = _action(actions, "events", _events, "the audit log: what was done when and how it ended, without any text")
    events.add_argument("--last", type=int, default=20, metavar="N", help="the newest only (default: 20)")
    events.add_argument("--out", type=Path, metavar="FILE", help="write the whole log here, as .jsonl, .csv or .parquet")

    push = _action(actions, "push", _push, "upload all feedback to a private data set on the Hugging Face Hub")
    push.add_argument("repository", metavar="OWNER/NAME")
    push.add_argument("--format", choices=FORMATS, default="jsonl", help="(default: jsonl)")
    push.add_argument("--public", action="store_true", help="visible to everybody (default: private); needs --agreed")
    push.add_argument("--agreed", action="store_true", help="all who gave feedback agreed to its publication")


def _action(actions: Commands, name: str, command: Callable[[argparse.Namespace], None], what: str) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
    action.add_argument(
        "--store",
        default=os.environ.get(STORE_VARIABLE),
        metavar="DB",
        help=f"SQLite file or SQLAlchemy URL (default: ${STORE_VARIABLE}, else runs/feedback.sqlite3)",
    )
    action.set_defaults(command=command)
    return action


def _open(arguments: argparse.Namespace) -> "FeedbackStore":
    """The store, which must exist: a mistyped name must not create an empty one."""
    from medalign.feedback.database import DEFAULT_STORE
    from medalign.feedback.store import FeedbackStore

    return FeedbackStore(arguments.store or DEFAULT_STORE, create=False)


def _export(arguments: argparse.Namespace) -> None:
    from medalign.feedback.export import export

    with _open(arguments) as store:
        for path in export(store, arguments.out, arguments.format):
            print(path)


def _manifest(arguments: argparse.Namespace) -> None:
    from medalign.training.data.from_feedback import read_recordings, write_training_manifest

    check_output(arguments.out)
    with _open(arguments) as store:
        n = write_training_manifest(store, read_recordings(arguments.recordings), arguments.out)
    print(f"{arguments.out}: {n} rows; train on it with `medalign train {arguments.out} --shared-texts --out FOLDER`")


def _withdraw(arguments: argparse.Namespace) -> None:
    with _open(arguments) as store:
        n = store.withdraw(arguments.code)
    print(f"{n} ratings and votes are deleted")


def _events(arguments: argparse.Namespace) -> None:
    from medalign.feedback.export import json_lines, write_table

    with _open(arguments) as store:
        events = store.table("events")
    if arguments.out is None:
        print(json_lines(events.tail(max(arguments.last, 0))), end="")
        return
    check_output(arguments.out)
    if arguments.out.suffix.removeprefix(".") not in FORMATS:
        raise MedAlignError(f"--out {arguments.out}: end it with one of {', '.join(f'.{name}' for name in FORMATS)}")
    print(write_table(events, arguments.out))


def _push(arguments: argparse.Namespace) -> None:
    from medalign.feedback.export import push

    with _open(arguments) as store:
        private = not arguments.public
        print(push(store, arguments.repository, private=private, agreed=arguments.agreed, format=arguments.format))
