"""The engine behind the page: loaded once, in the background, so that the page is up at once."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from medalign.concepts import Concept
from medalign.core.analysis import Analysis
from medalign.core.audio import Recording
from medalign.core.background import start
from medalign.core.errors import MedAlignError
from medalign.core.explanation import Explanation
from medalign.core.model_options import ModelOptions
from medalign.core.note_check import NoteCheck
from medalign.core.transcript import Transcript
from medalign.ui.model_queue import ModelQueue

if TYPE_CHECKING:  # importing these would load torch before the page is up
    from medalign.pipeline.listener import EncodedRecording, Listener
    from medalign.pipeline.progress import Progress
    from medalign.report.comparison import Candidate

    Steps = Generator[Progress | Analysis, None, None]

log = logging.getLogger(__name__)

MAX_OTHERS = 3  # engines kept beside the page's own, for comparisons: about half a gigabyte each


class Engine(Protocol):
    """What the page needs of `medalign.pipeline.analyzer.Analyzer`."""

    @property
    def listener(self) -> "Listener": ...

    def stream(self, recording: Recording, custom: Sequence[Concept] = (), /) -> "Steps": ...

    def analyze(self, recording: Recording, custom: Sequence[Concept] = (), /) -> Analysis: ...

    def reread(self, analysis: Analysis, transcript: Transcript, encoded: "EncodedRecording", /) -> Analysis: ...

    def check_note(
        self,
        source: Recording | None,
        note: str,
        /,
        *,
        analysis: Analysis | None = None,
        encoded: "EncodedRecording | None" = None,
    ) -> NoteCheck: ...

    def explain(self, transcript: Transcript, encoded: "EncodedRecording", index: int, /) -> Explanation: ...


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
        start(self._try, "load-engine")

    def _try(self) -> None:
        try:
            self()
        except MedAlignError as error:
            log.error("%s", error)
        except Exception:
            log.exception("the models could not be loaded")


class ModelRegistry:
    """Engines by their models, shared by the page and its comparisons: none is loaded twice while it is held.

    One load at a time; a load that fails is tried again at the next call. The page's own engine stays, of the others the
    `MAX_OTHERS` used last.
    """

    def __init__(self, load: Callable[[ModelOptions], Engine], kept: ModelOptions):
        self._load, self._kept = load, kept
        self._lock = threading.Lock()
        self._held: OrderedDict[ModelOptions, Engine] = OrderedDict()

    def __call__(self, models: ModelOptions) -> Engine:
        with self._lock:
            if models not in self._held:
                others = [held for held in self._held if held != self._kept]
                if models != self._kept and len(others) >= MAX_OTHERS:
                    del self._held[others[0]]  # before the next is loaded: both need memory
                self._held[models] = self._load(models)
            self._held.move_to_end(models)
            return self._held[models]


@dataclass(frozen=True)
class Models:
    """The page's engine, and who waits for it.

    What is asked of a finished result takes seconds, needs no recogniser, and never waits behind somebody's recording.
    """

    engine: Callable[[], Engine]  # a `LazyEngine` loads at the first call
    analyses: ModelQueue = field(default_factory=ModelQueue)
    questions: ModelQueue = field(default_factory=lambda: ModelQueue(max_waiting=8))

    @property
    def are_loaded(self) -> bool:
        return not isinstance(self.engine, LazyEngine) or self.engine.is_ready


@dataclass(frozen=True)
class Comparing:
    """What the second tab may compare."""

    load: "Callable[[Candidate], tuple[Engine, int]]"  # the engine of a candidate, and the bytes of its weights
    in_use: ModelOptions = field(default_factory=ModelOptions)  # what a candidate has where it names no model of its own
    # Whether readers may name folders and Hub models, or only candidates on the list: a public server should neither fetch
    # whatever a stranger types nor tell them which folders it has.
    any_model: bool = False
    # Raises MedAlignError where a candidate's models can't be found, and loads none; engines that need no files need no check.
    check: "Callable[[Candidate], None]" = lambda candidate: None
