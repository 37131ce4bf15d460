"""One analysis as a stream of page updates. A later stage that fails leaves what earlier stages brought."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.concepts import ConceptBank
from medalign.concepts.custom import parse_concepts
from medalign.concepts.senses import number_senses
from medalign.core.analysis import Analysis
from medalign.core.apart import load_apart
from medalign.core.audio import load_recording
from medalign.core.errors import DataError, MedAlignError
from medalign.core.files import read_json
from medalign.report.explanation_figures import shared_space
from medalign.report.figures import alignment_timeline, concept_heatmap
from medalign.ui import consent
from medalign.ui.engine import Models
from medalign.ui.failures import Failure, caught
from medalign.ui.model_queue import Ahead, Place
from medalign.ui.session import Session
from medalign.ui.update import PageUpdate
from medalign.ui.views import alignment_view, status_view, why_view
from medalign.ui.views.concept_table import WAITING, concept_table, preview_concepts
from medalign.ui.views.result_view import corrections_view, details_view, measurements_view, summary_view, verdict
from medalign.ui.views.transcript_view import partial_transcript, transcript_view

if TYPE_CHECKING:  # importing it would load torch before the page is up
    from medalign.pipeline.progress import Progress

MIN_UPDATE_S = 0.5  # an update carries the transcript so far: not more often than eyes can follow
REMEDY = "write it anew with `medalign precompute`"
# Hides the last result, and what was asked of it.
CLEARED = PageUpdate(
    {"player": None, **dict.fromkeys(("alert", "progress", "heading", "overview", "exports", "timeline_notes", "hits", "why",
                                      "extremes"), "")},
    clears_session=True,
)  # fmt: skip


@dataclass
class Run:
    """One press of a button, to the result or to one clear sentence."""

    models: Models
    path: str | None
    title: str | None = None  # the recording's name if None
    custom: str = ""  # concepts that the user typed, see `parse_concepts`
    acknowledged: bool = False  # the data notice; without it nothing but an example is touched
    is_example: bool = False
    stage: str = "decode"
    has_words: bool = False  # something of the result is on the page already

    def updates(self) -> Iterator[PageUpdate]:
        yield CLEARED
        yield from caught(self._updates, self._failed, lambda: status_view.stage_words(self.stage).lower())()

    def _failed(self, failure: Failure) -> PageUpdate:
        sentence = failure.sentence
        if self.has_words and failure.outcome == "refused":
            sentence = f"Stopped while {status_view.stage_words(self.stage).lower()}: {sentence}"
        alert = status_view.alert(sentence, kept=self.has_words)
        return PageUpdate({"alert": alert, "status": "", "progress": ""}, outcome=failure.outcome)

    def _updates(self) -> Iterator[PageUpdate]:
        if self.path is None:
            raise MedAlignError(status_view.NO_RECORDING)
        if not self.is_example:
            consent.check(self.acknowledged)
        with self.models.analyses.join() as place:
            yield from self._in_turn(self.path, place)

    def _in_turn(self, path: str, place: Place) -> Iterator[PageUpdate]:
        load = load_recording if self.is_example else load_apart
        recording = yield from place.decode(lambda: load(path), _waiting)
        title = self.title or recording.name
        concepts = parse_concepts(self.custom, ConceptBank.default()) if self.custom.strip() else ()
        yield PageUpdate({"status": "Preparing the models; the first time takes a little longer."})
        engine = self.models.engine()
        yield from map(_waiting, place.wait(recording.duration_s))
        session = Session(path, title, concepts, self.is_example)
        heading = status_view.heading(title, recording.duration_s, partial=True) + status_view.silence(recording.waveform)
        parts = {"heading": heading, "table": WAITING, "transcript": ""}
        yield PageUpdate(parts, session, waveform=recording.waveform)
        shown_at, last_stage, encoded = 0.0, None, None
        with closing(engine.stream(recording, concepts)) as items:
            for item in items:
                if isinstance(item, Analysis):
                    session.finish(item, encoded)
                    yield PageUpdate(finished(session), session)
                    return
                self.stage = item.stage
                place.tell(item.remaining_s)
                encoded = item.encoded or encoded
                now = time.monotonic()
                if item.stage == last_stage and now - shown_at < MIN_UPDATE_S:
                    continue
                shown_at, last_stage = now, item.stage
                self.has_words = self.has_words or bool(item.transcript and item.transcript.segments)
                yield PageUpdate(_progress(item))


def show(path: Path, title: str, analysis_path: Path) -> Iterator[PageUpdate]:
    """The updates of an example whose result was computed beforehand: all there at once."""

    def stored() -> Iterator[PageUpdate]:
        session = Session(str(path), title, is_example=True)
        session.finish(Analysis.from_dict(read_json(analysis_path, dict, error=DataError, remedy=REMEDY)))
        parts = finished(session)
        parts["heading"] = f"{parts['heading']}{status_view.BEFOREHAND}"
        yield PageUpdate(parts, session, waveform=load_recording(path).waveform)

    def failed(failure: Failure) -> PageUpdate:
        return PageUpdate({"alert": status_view.alert(failure.sentence), "status": ""}, outcome=failure.outcome)

    yield CLEARED
    yield from caught(stored, failed)()


def _waiting(ahead: Ahead) -> PageUpdate:
    return PageUpdate({"status": status_view.waiting(ahead)})


def _progress(item: "Progress") -> dict[str, object]:
    parts: dict[str, object] = {
        "status": status_view.stage_words(item.stage),
        "progress": status_view.progress_bar(item.fraction, item.remaining_s),
    }
    if item.transcript is not None:
        parts["transcript"] = partial_transcript(item.transcript)
    if item.preview is not None:
        parts["table"] = preview_concepts(item.preview.concepts, item.preview.until_s)
    return parts


def finished(session: Session) -> dict[str, object]:
    """Everything that a finished result shows, by part of the page."""
    analysis = session.result
    spoken = bool(analysis.transcript.segments)
    return {
        "status": "Finished." if spoken else "Finished: no speech detected.",
        "progress": "",
        "alert": "",
        "heading": status_view.heading(session.title, analysis.recording.duration_s) + status_view.warnings(analysis.warnings),
        "overview": verdict(analysis) + summary_view(analysis),
        "table": concept_table(analysis.concepts, analysis.sound_events)
        + measurements_view(
            analysis.measurements, number_senses(analysis.transcript, analysis.measurements), analysis.concepts
        ),
        "transcript": corrections_view(analysis.corrections)
        + transcript_view(analysis.transcript, analysis.concepts, analysis.alignment.segments, analysis.critical_words),
        "timeline": alignment_timeline(analysis),
        "timeline_notes": alignment_view.timeline_notes(analysis),
        "heatmap": concept_heatmap(analysis),
        "heatmap_notes": alignment_view.heatmap_notes(analysis),
        "extremes": why_view.extremes(analysis),
        "map": shared_space(analysis),
        "map_notes": why_view.map_table(analysis),
        "details": details_view(analysis),
    }
