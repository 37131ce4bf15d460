"""What a reader is told when something fails: the one place of the page where an error becomes words.

An error that somebody can act on is told as it is, without the folders and hosts of the server. Anything else is a bug: it
keeps its traceback in the log, and the page stays usable.
"""

import inspect
import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TypeVar

from medalign.core.errors import MedAlignError
from medalign.feedback.records import Outcome

log = logging.getLogger(__name__)

INTERNAL_ERROR = (
    "MedAlign made a mistake while {doing}; this is a fault in the program, not in your recording. "
    "Try again, or report it with the time; the details are in the server's log."
)
_DATABASE = re.compile(r"\b((?:postgres|mysql|maria|oracle|mssql)[\w+]*)://[^\s'\"]+")
_FOLDERS = re.compile(r"(?<![\w:/.~-])(?:/[^\s/'\"<>|,;()]+)+/(?=[^\s/'\"<>|,;()])")
T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """An error as the reader and the audit log see it."""

    sentence: str
    outcome: Outcome


def without_places(sentence: str) -> str:
    """Paths become the names of their files, and URLs of databases lose user, password and host."""
    for folder in (tempfile.gettempdir(), str(Path.home()), str(Path.cwd())):  # whose own names may have spaces
        sentence = re.sub(rf"{re.escape(folder.rstrip('/'))}/(?=[^\s/'\"])", "/./", sentence)
    return _FOLDERS.sub("", _DATABASE.sub(r"\1://...", sentence))


def caught(handler: Callable[..., T], show: Callable[[Failure], T], doing: Callable[[], str] = lambda: "answering") -> Callable:
    """The handler, plain or a generator, whose errors end in what `show` makes of them.

    Args:
        doing: what is being done when it fails, as in "a mistake while answering".
    """

    def failure(error: Exception) -> Failure:
        if isinstance(error, MedAlignError):
            return Failure(error.for_readers or without_places(str(error)), "refused")
        log.error("failed while %s", doing(), exc_info=error)
        return Failure(INTERNAL_ERROR.format(doing=doing()), "failed")

    if inspect.isgeneratorfunction(handler):

        @wraps(handler)
        def stream(*arguments: object) -> Iterator:
            try:
                yield from handler(*arguments)
            except Exception as error:
                yield show(failure(error))

        return stream

    @wraps(handler)
    def call(*arguments: object) -> T:
        try:
            return handler(*arguments)
        except Exception as error:
            return show(failure(error))

    return call
