"""A batch from manifest to folder: unfinished recordings are given to workers, and their outcomes are counted."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from medalign import __version__
from medalign.batch.cluster import Cluster, Plan, connected, plan
from medalign.batch.folder import BatchFolder
from medalign.batch.manifest import Entry, read_entries
from medalign.batch.worker import BatchAnalyzer, Outcome, Task, Worker, find_models, load_analyzer
from medalign.core.analysis import SCHEMA_VERSION
from medalign.core.errors import BatchError
from medalign.core.files import first_line
from medalign.core.model_options import ModelOptions

N_BLOCKS, BLOCK_SIZE = 2000, 64  # a block is what a worker is given at once: one recording, or of very many, more


@dataclass(frozen=True)
class Progress:
    """How far a batch is."""

    n: int  # recordings of the manifest
    n_done: int  # with those of earlier runs
    n_set_aside: int  # in this run
    left_s: float | None  # None while it can't be told


class Pace:
    """Time left, from the recordings alone: what came before the first result, models being loaded, does not come again."""

    def __init__(self, n_workers: int):
        self.n_workers, self._first_s = n_workers, 0.0

    def left_s(self, n_done: int, n: int, now_s: float) -> float | None:
        """None until a worker has done its second recording."""
        if n_done == 1:
            self._first_s = now_s
        n_since = n_done - self.n_workers
        return (now_s - self._first_s) / n_since * (n - n_done) if n_since > 0 else None


def run_batch(
    manifest: Path,
    out: Path,
    options: ModelOptions,
    cluster: Cluster,
    *,
    retry: bool = False,
    load: Callable[[ModelOptions], BatchAnalyzer] = load_analyzer,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> int:
    """Analyse every recording of the manifest that has no row yet; the number of all that are set aside.

    Args:
        retry: also recordings that were set aside.
        load: loads the models of a worker.

    Raises:
        DataError: the manifest is none.
        BatchError: the folder is another run's, Ray is out of reach, or the models are not to be had; what is done stays done.
    """
    entries, folder = read_entries(manifest), BatchFolder(out)
    if cluster.address is None:  # another machine may have other models; a folder does not remember a misspelt name
        find_models(options)
    recipe = {"medalign": __version__, "schema": SCHEMA_VERSION, **asdict(options)}
    del recipe["device"]  # what ran a model is told of it where it may decide the result, see models.json
    with folder.taken(recipe):
        left = folder.unfinished(entries, retry=retry)
        n_before, n_set_aside = len(entries) - len(left), 0
        on_progress(Progress(len(entries), n_before, 0, None))
        if left:
            with connected(cluster) as resources:
                planned = plan(cluster, options, resources)
                pace = Pace(planned.n_workers)
                for n_done, outcome in enumerate(_outcomes(left, out, planned, load), 1):
                    if outcome.stop:
                        raise BatchError(outcome.stop)
                    n_set_aside += outcome.status not in ("", "ok")
                    left_s = pace.left_s(n_done, len(left), time.monotonic())
                    on_progress(Progress(len(entries), n_before + n_done, n_set_aside, left_s))
        return folder.set_aside(entries)


def _outcomes(
    entries: Sequence[Entry], out: Path, planned: Plan, load: Callable[[ModelOptions], BatchAnalyzer]
) -> Iterator[Outcome]:
    """One for each, as they are finished."""
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    task = Task(out.absolute(), uuid.uuid4().hex, planned.options, load)
    n_blocks = min(len(entries), max(N_BLOCKS, len(entries) // BLOCK_SIZE))
    rows = ray.data.from_items([asdict(entry) for entry in entries], override_num_blocks=n_blocks)
    try:
        # Actors, each with one block at a time, so that no recording waits behind a long one.
        actors = ray.data.ActorPoolStrategy(size=min(planned.n_workers, n_blocks), max_tasks_in_flight_per_actor=1)
        resources = {"num_cpus": planned.cpus, "num_gpus": planned.gpus}
        for found in rows.map(Worker, fn_constructor_args=(task,), compute=actors, **resources).iter_rows():
            yield Outcome(**found)
    except ray.exceptions.RayTaskError:
        raise  # a fault of ours, with its traceback
    except ray.exceptions.RayError as error:
        raise BatchError(f"Ray stopped ({first_line(error)}); the same command goes on where it stopped") from error
