"""One worker of a batch: an actor of Ray, whose models are loaded once, and which turns recordings into rows."""

import json
import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from medalign.batch.folder import MODELS, BatchFolder, Row
from medalign.batch.manifest import Entry
from medalign.core.analysis import Analysis, ModelInfo, Models
from medalign.core.apart import load_apart
from medalign.core.audio import Recording
from medalign.core.errors import AudioError, MedAlignError
from medalign.core.files import first_line
from medalign.core.identity import Identity
from medalign.core.model_options import ModelOptions
from medalign.core.weights import sha256_of

if TYPE_CHECKING:
    from medalign.pipeline.analyzer import Analyzer

MAX_ATTEMPTS = 3  # of one recording: more workers than this shall not die of it
log = logging.getLogger(__name__)


class BatchAnalyzer(Protocol):
    """What a batch needs of an `Analyzer`."""

    @property
    def models(self) -> Models: ...

    @property
    def identity(self) -> Identity: ...

    def analyze(self, source: Recording, /) -> Analysis: ...


def load_analyzer(options: ModelOptions) -> "Analyzer":
    from medalign.pipeline.analyzer import Analyzer

    return Analyzer.default(**asdict(options))


def find_models(options: ModelOptions) -> None:
    """Raises WeightsError, before any is loaded, if a model is not to be had under its name."""
    from medalign.models.device import choose_device
    from medalign.models.student_config import student_weights
    from medalign.models.teacher import find_teacher
    from medalign.models.transcription import asr_weights

    asr_weights(options.asr, choose_device(options.device))
    find_teacher(options.teacher)
    student_weights(options.student)


@dataclass(frozen=True)
class Task:
    """What all workers of a run get."""

    folder: Path
    session: str  # names this run among those that went on in the folder
    options: ModelOptions
    load: Callable[[ModelOptions], BatchAnalyzer] = load_analyzer


@dataclass(frozen=True)
class Outcome:
    """What the driver gets for one recording: no words of it."""

    status: str = ""  # of its row; empty if it was finished already
    stop: str = ""  # why no other recording will do any better: one sentence


class Worker:
    """Recordings in, rows in the folder out."""

    def __init__(self, task: Task):
        self.task, self.folder = task, BatchFolder(task.folder)

    @cached_property
    def analyzer(self) -> BatchAnalyzer:
        """Raises MedAlignError if the models can't be loaded, or aren't those that the folder's other rows are made with."""
        analyzer = self.task.load(self.task.options)
        self.folder.check(MODELS, analyzer.identity)
        return analyzer

    def __call__(self, item: dict[str, str]) -> dict[str, str]:
        """An `Entry` in, an `Outcome` out, both as Ray wants them."""
        try:
            outcome = Outcome(self._finish(Entry(**item)))
        except MedAlignError as error:
            outcome = Outcome(stop=str(error))
        except OSError as error:  # of the folder; those of a recording are its own
            outcome = Outcome(stop=f"can't write to {self.task.folder} ({first_line(error)}); the same command goes on later")
        return asdict(outcome)

    def _finish(self, entry: Entry) -> str:
        analyzer = self.analyzer
        with self.folder.claimed(entry, self.task.session) as n_begun:
            if n_begun is None:
                return ""
            row = self._row(analyzer, entry, n_begun)
            self.folder.write(entry, row)
            return row.status

    def _row(self, analyzer: BatchAnalyzer, entry: Entry, n_begun: int) -> Row:
        started = time.perf_counter()
        models = analyzer.models
        row = Row(
            entry.id, entry.audio, "ok", 0.0, asr=_told(models.asr), teacher=_told(models.teacher),
            student=_told(models.student), status_classifier=_told(models.status_classifier),
        )  # fmt: skip
        try:
            if n_begun > MAX_ATTEMPTS:
                return replace(row, status="failed", reason=f"{MAX_ATTEMPTS} workers died of it")
            row = _analyzed(row, analyzer, entry)
        except MedAlignError as error:
            row = replace(row, status="rejected", reason=str(error))
        except Exception as error:  # a fault of ours, which must not keep the others from being done
            log.exception("a recording failed")
            place = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{type(error).__name__}: {first_line(error)} ({Path(place.filename).name}, line {place.lineno})"
            row = replace(row, status="failed", reason=message)
        return replace(row, seconds=round(time.perf_counter() - started, 3))


def _analyzed(row: Row, analyzer: BatchAnalyzer, entry: Entry) -> Row:
    if not entry.audio:
        raise AudioError("the manifest names no file for it; fill in the column audio")
    recording = load_apart(entry.path)  # a file that a decoder does not survive would cost the models of a worker, three times
    row = replace(row, sha256=sha256_of(Path(entry.path)), duration_s=round(recording.duration_s, 3))
    analysis = analyzer.analyze(recording)
    concepts = tuple({name: getattr(c, name) for name in ("system", "code", "label", "status")} for c in analysis.concepts)
    whole = json.dumps(analysis.to_dict(), ensure_ascii=False)
    return replace(row, transcript=analysis.transcript.text, concepts=concepts, analysis=whole)


def _told(info: ModelInfo) -> str:
    return " ".join(filter(None, (info.name, info.revision, info.runtime)))
