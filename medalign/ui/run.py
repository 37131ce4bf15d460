"""One analysis as a stream of page states: a dict from the name of a part of the page to its new content.

Only the parts that change are named. A later stage that fails leaves what earlier stages brought.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from medalign.concepts import ConceptBank
from medalign.concepts.custom import parse_concepts
from medalign.core.analysis import Analysis
from medalign.core.audio import load_recording
from medalign.core.errors import DataError, MedAlignError
from medalign.core.files import read_json
from medalign.report.explanation_figures import shared_space
from medalign.report.figures import alignment_timeline, concept_heatmap
from medalign.ui import consent
from medalign.ui.engine import Engine
from medalign.ui.session import Session
from medalign.ui.views import alignment_view, status_view, why_view
from medalign.ui.views.concept_table import WAITING, concept_table, preview_concepts
from medalign.ui.views.corrections_view import corrections_view
from medalign.ui.views.details_view import details_view
from medalign.ui.views.measurements_view import measurements_view
from medalign.ui.views.summary_view import summary_view
from medalign.ui.views.transcript_view import partial_transcript, transcript_view
from medalign.ui.views.verdict import verdict

log = logging.getLogger(__name__)

MIN_UPDATE_S = 0.5  # a page state carries the transcript so far: not more often than eyes can follow
State = dict[str, object]
# Hides the last result, and what was asked of it.
CLEARED: State = {"alert": "", "progress": "", "heading": "", "overview": "", "exports": "", "player": None, "session": None,
                  "timeline_notes": "", "hits": "", "why": "", "extremes": ""}  # fmt: skip


@dataclass
class _Run:
    """Where a run stands, for the sentence that says where it broke."""

    stage: str = "decode"
    has_result: bool = False


def run(
    load_engine: Callable[[], Engine],
    path: str | None,
    title: str | None = None,
    own: str = "",
    *,
    acknowledged: bool = False,
    is_example: bool = False,
) -> Iterator[State]:
    """Every state of the page from the press of the button to the result, or to one clear sentence.

    Args:
        own: concepts that the user typed, see `parse_concepts`.
        acknowledged: the data notice; without it nothing but an example is touched.
    """
    yield CLEARED
    if path is None:
        yield {"alert": status_view.alert(status_view.NO_RECORDING), "status": "", "outcome": "refused"}
        return
    where = _Run()
    try:
        if not is_example:
            consent.check(acknowledged)
        yield from _states(load_engine, path, title, own, is_example, where)
    except MedAlignError as error:
        stage = status_view.stage_words(where.stage).lower()
        sentence = f"Stopped while {stage}: {error}" if where.has_result else str(error)
        yield {**_failed(sentence, where), "outcome": "refused"}
    except Exception:  # the border to the user: a bug keeps its traceback in the log, and the page stays usable
        log.exception("analysis failed while %s", where.stage)
        stage = status_view.stage_words(where.stage).lower()
        yield {**_failed(status_view.INTERNAL_ERROR.format(stage=stage), where), "outcome": "failed"}


def show(path: Path, title: str, analysis_path: Path) -> Iterator[State]:
    """The states of an example whose result was computed beforehand: all there at once, the picture of the map last."""
    yield CLEARED
    session = Session(str(path), title, is_example=True)
    session.finish(
        Analysis.from_dict(read_json(analysis_path, dict, error=DataError, remedy="write it anew with `medalign precompute`"))
    )
    state = finished(session)
    state["heading"] += status_view.BEFOREHAND
    yield {**state, "session": session, "waveform": load_recording(path).waveform}


def _failed(sentence: str, where: _Run) -> State:
    return {"alert": status_view.alert(sentence, kept=where.has_result), "status": "", "progress": ""}


def _states(
    load_engine: Callable[[], Engine], path: str, title: str | None, own: str, is_example: bool, where: _Run
) -> Iterator[State]:
    recording = load_recording(path)  # refuses bad input at once, even while the models are still loading
    title = title or recording.name
    concepts = parse_concepts(own, ConceptBank.default()) if own.strip() else ()
    yield {"status": "Preparing the models; the first time takes a little longer."}
    engine = load_engine()
    session = Session(path, title, concepts, is_example)
    yield {
        "heading": status_view.heading(title, recording.duration_s, partial=True) + status_view.silence(recording.waveform),
        "session": session,
        "waveform": recording.waveform,
        "table": WAITING,
        "transcript": "",
    }
    shown_at, last_stage, heard = 0.0, None, None
    with closing(engine.stream(recording, concepts)) as items:
        for item in items:
            if isinstance(item, Analysis):
                session.finish(item, heard)
                yield {**finished(session), "session": session}
                return
            where.stage = item.stage
            heard = item.heard or heard
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
        state["table"] = preview_concepts(item.skim.concepts, item.skim.until_s)
    return state


def finished(session: Session) -> State:
    """Everything that a finished result shows."""
    analysis = session.analysis
    spoken = bool(analysis.transcript.segments)
    return {
        "status": "Finished." if spoken else "Finished: no speech detected.",
        "progress": "",
        "alert": "",
        "heading": status_view.heading(session.title, analysis.recording.duration_s) + status_view.warnings(analysis.warnings),
        "overview": verdict(analysis) + summary_view(analysis),
        "table": concept_table(analysis.concepts, analysis.sound_events)
        + measurements_view(analysis.measurements, analysis.concepts),
        "transcript": corrections_view(analysis.corrections)
        + transcript_view(analysis.transcript, analysis.concepts, analysis.alignment.segments),
        "timeline": alignment_timeline(analysis),
        "timeline_notes": alignment_view.timeline_notes(analysis),
        "heatmap": concept_heatmap(analysis),
        "heatmap_notes": alignment_view.heatmap_notes(analysis),
        "extremes": why_view.extremes(analysis),
        "map": shared_space(analysis),
        "map_notes": why_view.map_table(analysis),
        "details": details_view(analysis),
    }
