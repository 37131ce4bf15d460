"""The one temporary folder of a process: where a server keeps recordings, transcripts and exports. It does not outlive it.

A process that is killed can't clean up, so the next start does. Which folders belong to nobody any more is asked of the
kernel: each process holds a lock on its own, and the lock ends with the process, however it ends.
"""

import fcntl
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)

PREFIX = "medalign-own-"


@contextmanager
def own_folder(parent: str | None = None) -> Iterator[Path]:
    """A folder for this process alone, gone with it; folders of dead processes of this user are deleted first.

    Args:
        parent: where it is made; by default where the system keeps temporary files.
    """
    sweep(parent)
    folder, lock = _locked_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(parent: str | None = None) -> None:
    """Delete the folders that processes of this user left behind, and none that a process still holds."""
    for folder in Path(parent or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # held by its process, or swept by somebody else meanwhile
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)


def _locked_folder(parent: str | None) -> tuple[Path, int]:
    """A new folder, and its lock: a descriptor that no program started from here inherits."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with suppress(FileNotFoundError):  # another that started at the same moment swept it before it was locked
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:  # some network drives lock no folders: then nobody sweeps there
                log.warning("%s can't be locked (%s): delete it by hand if this process is killed", folder, error.strerror)
                return folder, lock
            if folder.exists():
                return folder, lock
            os.close(lock)
