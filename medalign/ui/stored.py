"""Results of the examples, computed beforehand: on a press, and the one with which the page opens."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from medalign.core.analysis import Analysis
from medalign.core.audio import load_recording
from medalign.core.background import start
from medalign.core.errors import DataError
from medalign.core.examples import unaligned_path
from medalign.core.files import read_json
from medalign.core.spelling import WORDINGS, Wording, reworded
from medalign.report.strip import peaks_of
from medalign.ui.failures import Failure, caught
from medalign.ui.run import CLEARED, answer, finished_heading
from medalign.ui.session import Session
from medalign.ui.tabs.own_recording import Example
from medalign.ui.update import PageUpdate
from medalign.ui.views import status_view
from medalign.ui.views.pair_view import Pair

REMEDY = "write it anew with `medalign precompute`"
log = logging.getLogger(__name__)


def show(example: Example, wording: Wording = WORDINGS[0]) -> Iterator[PageUpdate]:
    """The updates of a press on an example that has a stored result: all there at once."""

    def stored() -> Iterator[PageUpdate]:
        session = _session(example, wording)
        yield PageUpdate(_finished(session, example), session, waveform=_waveform(example.audio_path), is_last=True)

    def failed(failure: Failure) -> PageUpdate:
        return PageUpdate({"alert": status_view.alert(failure.sentence), "status": ""}, outcome=failure.outcome, is_last=True)

    yield CLEARED
    yield from caught(stored, failed)()


def opening(examples: Sequence[Example]) -> tuple[Example | None, dict[str, object]]:
    """The first example whose stored result can be read, and what the page shows of it before anything is pressed."""
    for example in examples:
        if example.analysis_path is None:
            continue
        try:
            return example, {**_finished(_opening(example), example), "status": ""}
        except DataError as error:
            log.warning("the page can't open with %s: %s", example.title, error)
    return None, {}


def prepare(examples: Sequence[Example]) -> threading.Thread:
    """Makes what the first press of each example would wait for (half a second to one second), in the background."""

    ended = threading.Event()

    def make() -> None:
        for example in examples:
            if ended.is_set():
                return
            with suppress(DataError, OSError):  # a press on it tells why
                if example.analysis_path is not None:
                    _answer(*_version(example), example.audio_path, WORDINGS[0])
                    _waveform(example.audio_path)

    return start(make, "prepare examples", stop=ended.set)


def pair(examples: Sequence[Example]) -> Pair | None:
    """The first example that is stored as the models in use hear it and as their encoder does before its alignment."""
    for example in examples:
        other = unaligned_path(example.audio_path)
        if example.analysis_path is None or not other.is_file():
            continue
        try:
            paths = example.analysis_path, other
            aligned, unaligned = (reworded(_stored_analysis(path, path.stat().st_mtime_ns), WORDINGS[0]) for path in paths)
        except (DataError, OSError) as error:
            log.warning("the page can't show what the alignment adds to %s: %s", example.title, error)
            continue
        return Pair(example.title, example.audio_path, _peaks(example.audio_path), aligned, unaligned)
    return None


def opened(example: Example, wording: Wording) -> PageUpdate:
    """What a visit to a page that opens with an example gets of its own: a session for later questions, and the sound.

    The page as it is sent has the first wording; a reader who has chosen another gets the result anew.
    """
    session = _opening(example, wording)
    parts = {} if wording == WORDINGS[0] else _finished(session, example)
    return PageUpdate(parts, session, waveform=_waveform(example.audio_path))


def _opening(example: Example, wording: Wording = WORDINGS[0]) -> Session:
    """Of one name for all readers: the heading with it is part of the page as it is sent."""
    session = _session(example, wording)
    session.name = "opening"
    return session


def _session(example: Example, wording: Wording = WORDINGS[0]) -> Session:
    """With its result. Raises DataError if there is none that can be read."""
    session = Session(str(example.audio_path), example.title, is_example=True)
    session.wording = wording
    session.finish(_stored_analysis(*_version(example)))
    session.is_stored, session.peaks = True, _peaks(example.audio_path)
    return session


def _finished(session: Session, example: Example) -> dict[str, object]:
    """As `medalign.ui.run.finished`, of a result that was made beforehand."""
    return {**_answer(*_version(example), example.audio_path, session.wording), "heading": finished_heading(session)}


def _version(example: Example) -> tuple[Path, int]:
    """Its result's file, and when that was written."""
    path = example.analysis_path
    assert path is not None
    return path, path.stat().st_mtime_ns if path.exists() else 0  # that it is missing, reading tells


# One for all readers: none of it can be changed. To make it anew would take each of them a third of a second.


@lru_cache(maxsize=32)
def _answer(path: Path, modified_ns: int, audio_path: Path, wording: Wording) -> dict[str, object]:
    return answer(reworded(_stored_analysis(path, modified_ns), wording), _peaks(audio_path))


@lru_cache(maxsize=32)
def _stored_analysis(path: Path, modified_ns: int) -> Analysis:
    return Analysis.from_dict(read_json(path, dict, error=DataError, remedy=REMEDY))


@cache
def _peaks(path: Path) -> bytes:
    return peaks_of(_waveform(path))


@lru_cache(maxsize=8)  # 5 MB for 82 s
def _waveform(path: Path) -> np.ndarray:
    waveform = load_recording(path).waveform
    waveform.setflags(write=False)
    return waveform
