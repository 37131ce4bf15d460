"""One analysis as a stream of page updates. A later stage that fails leaves what earlier stages brought."""

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medalign.concepts import ConceptBank
from medalign.concepts.custom import parse_concepts
from medalign.concepts.senses import senses_of
from medalign.core.abandoned import Abandoned, until
from medalign.core.analysis import Analysis
from medalign.core.apart import load_apart
from medalign.core.audio import load_recording
from medalign.core.errors import MedAlignError, printable
from medalign.core.review import UNREVIEWED, Review, as_heard, as_rated
from medalign.core.spelling import WORDINGS, Wording
from medalign.report.ear import checks, doubts
from medalign.report.explanation_figures import shared_space
from medalign.report.figures import alignment_timeline, concept_heatmap
from medalign.report.strip import peaks_of
from medalign.ui import consent
from medalign.ui.engine import Models
from medalign.ui.failures import Failure, caught
from medalign.ui.model_queue import Ahead, Place
from medalign.ui.session import NOTHING_NEW, Latest, Session
from medalign.ui.update import PageUpdate
from medalign.ui.views import alignment_view, status_view, why_view
from medalign.ui.views.concept_table import NO_WORDS, WAITING, concept_table, preview_concepts
from medalign.ui.views.markup import Markup
from medalign.ui.views.result_view import details_view, measurements_view, summary_view
from medalign.ui.views.strip_view import ear, strip
from medalign.ui.views.transcript_view import partial_transcript, transcript_view

if TYPE_CHECKING:  # importing it would load torch before the page is up
    from medalign.pipeline.progress import Progress
    from medalign.ui.engine import Steps

MIN_UPDATE_S = 0.5  # an update carries the transcript so far: not more often than eyes can follow
# Hides the last result, and what was asked of it.
_EMPTIED = (
    "alert", "progress", "heading", "strip", "overview", "exports", "table", "transcript", "numbers", "timeline_notes",
    "heatmap_notes", "hits", "why", "extremes", "map_notes", "details",
)  # fmt: skip
_FIGURES = ("timeline", "heatmap", "map", "words_time", "words_support", "others")
CLEARED = PageUpdate({**dict.fromkeys(_EMPTIED, ""), **dict.fromkeys(("player", *_FIGURES))}, clears_session=True)


@dataclass
class Run:
    """One press of a button, to the result or to one clear sentence."""

    models: Models
    path: str | None
    title: str | None = None  # the recording's name if None
    custom: str = ""  # concepts that the user typed, see `parse_concepts`
    name: str | None = None  # of the recording's file, if it has another on this server
    acknowledged: bool = False  # the data notice; without it nothing but an example is touched
    is_example: bool = False
    wording: Wording = WORDINGS[0]
    stage: str = "decode"
    has_words: bool = False  # something of the result is on the page already
    is_stopped: bool = False
    place: Place | None = None  # in the queue for the models

    def updates(self) -> Iterator[PageUpdate]:
        yield from caught(self._updates, self._failed, lambda: status_view.stage_words(self.stage).lower())()

    def stop(self) -> None:
        """Nobody waits for the result any more: it ends with its next step, and whoever waits for the models is told so."""
        self.is_stopped = True
        if self.place is not None:
            self.place.leave()

    def _failed(self, failure: Failure) -> PageUpdate:
        sentence = failure.sentence
        if self.path is not None and self.name is not None:
            sentence = sentence.replace(f"'{printable(Path(self.path).name)}'", f"'{self.name}'")
        if self.has_words and failure.outcome == "refused":
            sentence = f"Stopped while {status_view.stage_words(self.stage).lower()}: {sentence}"
        alert = status_view.alert(sentence, kept=self.has_words)
        return PageUpdate({"alert": alert, "status": "", "progress": ""}, outcome=failure.outcome, is_last=True)

    def _updates(self) -> Iterator[PageUpdate]:
        if not self.is_example:
            consent.check(self.acknowledged, consent.ON_THE_PAGE)
        if self.path is None:
            raise MedAlignError(status_view.NO_RECORDING)
        with self.models.analyses.join() as self.place:
            yield from self._in_turn(self.path, self.place)

    def _in_turn(self, path: str, place: Place) -> Iterator[PageUpdate]:
        load = load_recording if self.is_example else load_apart
        recording = yield from place.decode(lambda: load(path), _waiting)
        recording = replace(recording, name=self.name or recording.name)
        title = self.title or recording.name
        concepts, left_out = parse_concepts(self.custom, ConceptBank.default()) if self.custom.strip() else ((), ())
        yield from map(_waiting, place.wait(recording.duration_s))
        if not self.models.are_loaded:
            yield PageUpdate({"status": "Preparing the models; the first time takes a little longer."})
        engine = self.models.engine()
        place.begin()
        yield CLEARED  # not earlier: what can't be read, or is cancelled before its turn, takes no result from the reader
        session = Session(path, title, concepts, self.is_example)
        session.wording, session.notices = self.wording, left_out
        session.peaks = peaks_of(recording.waveform)
        notices = status_view.silence(recording.waveform) + status_view.warnings(left_out)
        heading = status_view.heading(session, recording.duration_s) + notices
        parts = {"heading": heading, "overview": WAITING, "strip": strip(session.peaks, recording.duration_s)}
        yield PageUpdate(parts, session, waveform=recording.waveform)
        shown_at, last_stage, encoded = 0.0, None, None
        with closing(self.steps(engine.stream(recording, concepts))) as items:
            for item in items:
                if isinstance(item, Analysis):
                    session.finish(item, encoded)
                    yield PageUpdate(finished(session), session, is_last=True)
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

    def steps(self, items: "Steps") -> "Steps":
        """The engine's, whose models take no further batch once nobody waits any more."""
        context = until(lambda: self.is_stopped)
        try:
            with closing(items), suppress(Abandoned):
                while not self.is_stopped and (item := context.run(next, items, None)) is not None:
                    yield item
        finally:
            self.is_stopped = True  # however it ends: threads of the engine's own may be at a batch


def _waiting(ahead: Ahead) -> PageUpdate:
    return PageUpdate({"status": status_view.waiting(ahead)})


def _progress(item: "Progress") -> dict[str, object]:
    parts: dict[str, object] = {
        "status": status_view.stage_words(item.stage),
        "progress": status_view.progress_bar(item.fraction, item.remaining_s),
    }
    if item.transcript is not None and item.transcript.segments:
        parts["transcript"] = partial_transcript(item.transcript)
    if item.preview is not None:
        parts["overview"] = preview_concepts(item.preview.concepts, item.preview.until_s)
    return parts


def finished(session: Session) -> dict[str, object]:
    """Everything that a finished result shows, by part of the page."""
    shown = answer(session.shown, session.peaks, session.review, session.latest)
    return {**shown, "heading": finished_heading(session)}


def finished_heading(session: Session) -> Markup:
    analysis = session.shown
    notices = status_view.warnings((*analysis.warnings, *session.notices))
    return status_view.heading(session, analysis.recording.duration_s) + notices


def answer(analysis: Analysis, peaks: bytes, review: Review = UNREVIEWED, latest: Latest = NOTHING_NEW) -> dict[str, object]:
    """What does not depend on whose result it is, by part of the page.

    Args:
        peaks: of the waveform, see `medalign.report.strip.peaks_of`.
        review: what the reader judged of it.
    """
    spoken = bool(analysis.transcript.segments)
    return {
        "status": status_view.told("Finished." if spoken else "Finished: no speech detected."),
        "progress": "",
        "alert": "",
        **reviewed(analysis, peaks, review, latest),
        "timeline": alignment_timeline(analysis),
        "timeline_notes": alignment_view.timeline_notes(analysis),
        "heatmap": concept_heatmap(analysis),
        "heatmap_notes": alignment_view.heatmap_notes(analysis),
        "extremes": why_view.extremes(analysis),
        "map": shared_space(analysis),
        "map_notes": why_view.map_table(analysis),
        "details": details_view(analysis),
    }


def reviewed(analysis: Analysis, peaks: bytes, review: Review, latest: Latest = NOTHING_NEW) -> dict[str, object]:
    """What follows what a reader judged: rows that were not said stay in the table and the transcript, marked, and are
    nowhere else."""
    heard = as_heard(analysis, review.heard)
    after = as_rated(heard, review)
    found = doubts(after, review, analysis)
    in_doubt = checks(after, found)
    spoken = bool(analysis.transcript.segments)
    listed = ear(found, analysis.alignment, latest)
    return {
        "strip": strip(peaks, analysis.recording.duration_s, after, found),
        "overview": listed + summary_view(after, in_doubt, analysis, review.added) if spoken or found else NO_WORDS,
        "table": concept_table(heard, in_doubt, review),
        "numbers": measurements_view(after.measurements, senses_of(after), after.concepts),
        "transcript": transcript_view(heard, in_doubt, review, latest.change, found),
    }
