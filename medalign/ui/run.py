"""One analysis as a stream of page states: a dict from the name of a part of the page to its new content.

Only the parts that change are named. A later stage that fails leaves what earlier stages brought.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from medalign.analysis import Analysis
from medalign.audio import load_recording
from medalign.concepts import ConceptBank
from medalign.concepts.custom import parse_concepts
from medalign.errors import MedAlignError
from medalign.figures import alignment_timeline, concept_heatmap
from medalign.ui import alignment_view, status_view
from medalign.ui.concept_table import WAITING, concept_table, first_picture
from medalign.ui.corrections_view import corrections_view
from medalign.ui.details_view import details_view
from medalign.ui.engine import Engine
from medalign.ui.measurements_view import measurements_view
from medalign.ui.summary_view import summary_view
from medalign.ui.transcript_view import partial_transcript, transcript_view
from medalign.ui.verdict import verdict

log = logging.getLogger(__name__)

MIN_UPDATE_S = 0.5  # a page state carries the transcript so far: not more often than eyes can follow
State = dict[str, object]


@dataclass
class _Run:
    """Where a run stands, for the sentence that says where it broke."""

    stage: str = "decode"
    has_result: bool = False


def run(load_engine: Callable[[], Engine], path: str | None, title: str | None = None, own: str = "") -> Iterator[State]:
    """Every state of the page from the press of the button to the result, or to one clear sentence.

    Args:
        own: concepts that the user typed, see `parse_concepts`.
    """
    yield {"alert": "", "progress": "", "heading": "", "player": None, "timeline_notes": ""}  # hides the last result
    if path is None:
        yield {"alert": status_view.alert(status_view.NO_RECORDING), "status": ""}
        return
    where = _Run()
    try:
        yield from _states(load_engine, path, title, own, where)
    except MedAlignError as error:
        stage = status_view.stage_words(where.stage).lower()
        yield _failed(f"Stopped while {stage}: {error}" if where.has_result else str(error), where)
    except Exception:  # the border to the user: a bug keeps its traceback in the log, and the page stays usable
        log.exception("analysis failed while %s", where.stage)
        stage = status_view.stage_words(where.stage).lower()
        yield _failed(status_view.INTERNAL_ERROR.format(stage=stage), where)


def _failed(sentence: str, where: _Run) -> State:
    return {"alert": status_view.alert(sentence, kept=where.has_result), "status": "", "progress": ""}


def _states(load_engine: Callable[[], Engine], path: str, title: str | None, own: str, where: _Run) -> Iterator[State]:
    recording = load_recording(path)  # refuses bad input at once, even while the models are still loading
    title = title or recording.name
    concepts = parse_concepts(own, ConceptBank.default()) if own.strip() else ()
    yield {"status": "Preparing the models; the first time takes a little longer."}
    engine = load_engine()
    yield {
        "heading": status_view.heading(title, recording.duration_s, partial=True),
        "player": recording.waveform,
        "table": WAITING,
        "transcript": "",
    }
    shown_at, last_stage = 0.0, None
    with closing(engine.stream(path, concepts)) as items:
        for item in items:
            if isinstance(item, Analysis):
                yield _finished(item, title)
                return
            where.stage = item.stage
            now = time.monotonic()
            if item.stage == last_stage and now - shown_at < MIN_UPDATE_S:
                continue
            shown_at, last_stage = now, item.stage
            where.has_result = where.has_result or bool(item.transcript and item.transcript.segments)
            yield _progress(item)


def _progress(item) -> State:
    state: State = {
        "status": status_view.stage_words(item.stage),
        "progress": status_view.progress_bar(item.fraction, item.remaining_s),
    }
    if item.transcript is not None:
        state["transcript"] = partial_transcript(item.transcript)
    if item.skim is not None:
        state["table"] = first_picture(item.skim)
    return state


def _finished(analysis: Analysis, title: str) -> State:
    spoken = bool(analysis.transcript.segments)
    return {
        "status": "Finished." if spoken else "Finished: no speech detected.",
        "progress": "",
        "heading": status_view.heading(title, analysis.recording.duration_s)
        + status_view.warnings(analysis.warnings)
        + verdict(analysis)
        + summary_view(analysis),
        "table": concept_table(analysis.concepts, analysis.signs) + measurements_view(analysis.measurements, analysis.concepts),
        "transcript": corrections_view(analysis.corrections)
        + transcript_view(analysis.transcript, analysis.concepts, analysis.alignment.segments),
        "timeline": alignment_timeline(analysis),
        "timeline_notes": alignment_view.timeline_notes(analysis),
        "heatmap": concept_heatmap(analysis),
        "heatmap_notes": alignment_view.heatmap_notes(analysis),
        "details": details_view(analysis),
    }
