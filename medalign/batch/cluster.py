"""Where a batch runs: on a Ray instance of its own, reachable from this machine alone, or on an existing cluster."""

import logging
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medalign.core.errors import BatchError
from medalign.core.files import first_line
from medalign.core.model_options import ModelOptions
from medalign.core.own_folder import own_folder

N_REMOVALS = 100  # in ten seconds; what is left then is removed at the next start
OBJECTS_BYTES = 100 * 2**20  # names of recordings go through Ray's memory, and neither sound nor words
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
# By the first, Ray takes the loopback address for this machine's, here as on macOS; all its servers listen there. By the
# others, they answer to who knows a secret: without them Ray would write one to the home folder.
OWN = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": ""}


@dataclass(frozen=True)
class Cluster:
    """What a batch may use."""

    address: str | None = None  # of a Ray cluster; None starts one on this machine, for this run
    workers: int | None = None  # how many hold models; by default as many as there are GPUs, or else CPUs for
    cpus: int = 1  # of each worker


@dataclass(frozen=True)
class Plan:
    """Workers as Ray is asked for them."""

    n_workers: int  # those for which there is no room wait for it, as on a cluster that grows
    cpus: int
    gpus: float  # of each, the share of one
    options: ModelOptions  # with the device that this means


@contextmanager
def connected(cluster: Cluster) -> Iterator[Mapping[str, float]]:
    """A Ray that `ray` means inside, and what it has; one that the process has already is used as it is.

    Nothing is sent to Ray's makers, no dashboard is served. A Ray of one's own listens on the loopback address alone, and its
    folder and processes go with it, or with this process.

    Raises:
        BatchError: it can't be started or reached.
    """
    for name, value in QUIET.items() | (OWN.items() if cluster.address is None else set()):
        os.environ.setdefault(name, value or secrets.token_hex(32))
    import ray

    if ray.is_initialized():
        yield ray.cluster_resources()
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with ExitStack() as ending:
        home = None
        if cluster.address is None:
            home = ending.enter_context(own_folder())
            ending.callback(_remove, home)
            options |= _own_options(cluster, home)
        ending.callback(ray.shutdown)
        try:
            with _home(home):
                ray.init(cluster.address or "local", **options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            message = f"Ray can't be started or reached ({first_line(error)}); check --address, and that TMPDIR is a short path"
            raise BatchError(message) from error
        yield ray.cluster_resources()


def _own_options(cluster: Cluster, folder: Path) -> dict[str, Any]:
    """What a Ray of our own is started with; `folder` is the home of its servers, workers have the user's."""
    # Without this file, Ray asks the metadata services of three clouds where it is, also with its statistics switched off.
    (folder / "ray_bootstrap_config.yaml").write_text("{}", encoding="utf-8")
    return {
        "num_cpus": cluster.workers and cluster.workers * cluster.cpus,
        "include_dashboard": False,
        "object_store_memory": OBJECTS_BYTES,
        "_temp_dir": str(folder / "ray"),  # Ray opens this one to all users; `folder` is closed to them
        "runtime_env": {"env_vars": {"HOME": str(Path.home())}},
    }


@contextmanager
def _home(folder: Path | None) -> Iterator[None]:
    """Set the home folder of processes that are started in this context, if one is given."""
    before = os.environ.get("HOME")
    if folder is not None:
        os.environ["HOME"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("HOME", None)
        if before is not None:
            os.environ["HOME"] = before


def _remove(folder: Path) -> None:
    """Delete a folder, with what Ray's last processes write while they end."""
    for _ in range(N_REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def plan(cluster: Cluster, options: ModelOptions, resources: Mapping[str, float]) -> Plan:
    """How many workers there are, and what each gets.

    Args:
        resources: of the cluster, as Ray counts them.

    Raises:
        BatchError: a GPU is asked for, and there is none.
    """
    n_cpus, n_gpus = int(resources.get("CPU", 0)), 0 if options.device == "cpu" else int(resources.get("GPU", 0))
    if options.device == "cuda" and not n_gpus:
        raise BatchError("device 'cuda' was asked for, but Ray knows of no GPU; use --device cpu or auto")
    n_workers = cluster.workers or n_gpus or max(1, n_cpus // cluster.cpus)
    n_sharing = math.ceil(n_workers / n_gpus) if n_gpus else 1
    device = replace(options, device="cuda" if n_gpus else "cpu")
    return Plan(n_workers, cluster.cpus, 1 / n_sharing if n_gpus else 0, device)
