"""The command for many recordings: batch."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.cli.options import Commands, Sometimes, manual, model_options, models_of, positive

if TYPE_CHECKING:
    from medalign.batch.run import Progress


def add_commands(commands: Commands) -> None:
    """Add it to the subparsers of the command line."""
    batch = commands.add_parser("batch", help="analyse many recordings, on all cores or on a cluster", **manual("batch"))
    batch.add_argument("manifest", metavar="MANIFEST", type=Path, help="CSV or JSON lines with a row per recording; see below")
    batch.add_argument("--out", type=Path, required=True, help="folder of the results; an unfinished run in it is resumed")
    batch.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="worker processes, each with its own models (default: one per GPU, or core)",
    )
    batch.add_argument("--cpus", type=positive, default=1, metavar="N", help="cores of each worker")
    batch.add_argument("--address", help="address of a Ray cluster (default: Ray is started on this machine, for this run)")
    batch.add_argument("--retry", action="store_true", help="also recordings that were set aside before")
    model_options(batch, asr=True, teacher=True, student=True)
    batch.set_defaults(command=_batch)


def _batch(arguments: argparse.Namespace) -> None:
    from medalign.batch.cluster import Cluster
    from medalign.batch.run import run_batch

    is_time = Sometimes()

    def tell(progress: "Progress") -> None:
        if is_time(progress.n_done >= progress.n):
            left = "" if progress.left_s is None else f", about {_duration(progress.left_s)} left"
            aside = f", {progress.n_set_aside} set aside" if progress.n_set_aside else ""
            print(f"{progress.n_done} of {progress.n} done{aside}{left}", flush=True)

    cluster = Cluster(arguments.address, arguments.workers, arguments.cpus)
    n_set_aside = run_batch(
        arguments.manifest, arguments.out, models_of(arguments), cluster, retry=arguments.retry, on_progress=tell
    )
    aside = f"; {n_set_aside} set aside, see {arguments.out / 'rejected.csv'}" if n_set_aside else ""
    print(f"done: one row per recording in {arguments.out / 'rows'}{aside}")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
