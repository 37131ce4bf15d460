"""The engine behind the page: loaded once, in the background, so that the page is up at once."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from medalign.concepts import Concept
from medalign.core.analysis import Analysis, Explanation
from medalign.core.errors import MedAlignError
from medalign.core.transcript import Transcript

log = logging.getLogger(__name__)


class Engine(Protocol):
    """What the page needs of `medalign.pipeline.analyzer.Analyzer`."""

    listener: Any  # `listen` and `find`

    def stream(self, path: str, own: Sequence[Concept] = ()) -> Iterator[Any]: ...  # Progress ..., then the Analysis

    def analyze(self, path: str) -> Analysis: ...

    def reread(self, analysis: Analysis, transcript: Transcript, heard: Any) -> Analysis: ...

    def explain(self, transcript: Transcript, heard: Any, index: int) -> Explanation: ...


class LazyEngine:
    """Calling it gives the engine; the first call loads, others wait for it. A failed load is tried again next time."""

    def __init__(self, load: Callable[[], Engine]):
        self._load = load
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def __call__(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._load()
            return self._engine

    @property
    def is_ready(self) -> bool:
        return self._engine is not None

    def warm_up(self) -> None:
        """Start loading now; a failure is logged here and shown to whoever asks for an analysis."""
        threading.Thread(target=self._try, name="load-engine", daemon=True).start()

    def _try(self) -> None:
        try:
            self()
        except MedAlignError as error:
            log.error("%s", error)
        except Exception:
            log.exception("the models could not be loaded")
