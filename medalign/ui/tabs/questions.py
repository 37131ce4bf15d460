"""What a reader asks of a finished result, each one call downwards: other words, why, where."""

from collections.abc import Callable, Iterator
from functools import wraps

import gradio as gr

from medalign.core.editing import edit_segment, rename_speaker, with_correction
from medalign.core.errors import MedAlignError
from medalign.core.explanation import found_in_words
from medalign.core.review import as_reviewed
from medalign.core.transcript import Transcript
from medalign.core.wording import clock
from medalign.report.ear import OF_SEGMENTS, doubts, found_right
from medalign.report.explanation_figures import among_others, word_support, words_over_time
from medalign.ui.engine import Models
from medalign.ui.run import finished
from medalign.ui.session import Session, present
from medalign.ui.update import PageUpdate, ResultPlaces
from medalign.ui.views import result_view, status_view, why_view
from medalign.ui.wiring import EVERY_PRESS, OWN_QUEUE, Changes, bridge, connect, number_of, text_of


class Questions:
    """All of them, wired."""

    def __init__(self, models: Models, places: ResultPlaces):
        self._models, self._places = models, places
        session, alert, parts = places.session, places.alert, places.parts
        again = "Reading again with your words …"
        changes = (
            ("edit", self._edit, again), ("accept", self._accept, again), ("settle", self._settle, ""),
            ("unedit", self._unedit, ""),
        )  # fmt: skip
        for name, change, begun in changes:
            connect(bridge(name), self._in_turn("status", change, begun), [session], places.all, alert, **OWN_QUEUE)
        explained = [parts[name] for name in ("why", "words_time", "words_support", "others")]
        connect(bridge("why"), self._in_turn("why", self._explain), [session], explained, alert, **OWN_QUEUE, **EVERY_PRESS)
        for event in (places.search.click, places.phrase.submit):
            connect(event, self._find, [session, places.phrase], [parts["hits"], parts["status"]], alert, **OWN_QUEUE)
        closed = {parts["hits"]: "", places.phrase: ""}
        connect(bridge("close-search"), lambda: closed, [], [*closed], alert, queue=False)

    def _in_turn(self, place: str, answer: Callable[..., Changes], begun: str = "") -> Callable[..., Iterator[Changes]]:
        """Answers one at a time; the place where the answer will stand says how long it takes, then that it is begun."""
        shown = self._places.parts[place]

        @wraps(answer)
        def handler(*given: object) -> Iterator[Changes]:
            waited = False
            with self._models.questions.join() as turn:
                for ahead in turn.wait(1.0):
                    waited = True
                    yield {shown: status_view.waiting(ahead)}
                if waited or begun:
                    yield {shown: begun}
                yield answer(*given)

        return handler

    def _edit(self, session: Session | None, event: gr.EventData) -> Changes:
        """Other words or another speaker: concepts are read again."""
        session = present(session)
        transcript = session.result.transcript
        index, speaker = int(number_of(event, "index")), text_of(event, "speaker")
        changed = edit_segment(transcript, index, text_of(event, "text"), speaker)
        if text_of(event, "everywhere") == "yes":
            changed = rename_speaker(changed, transcript.segments[index].speaker, speaker)
        return self._reread(session, changed, f"change at {clock(transcript.segments[index].start_s)}")

    def _accept(self, session: Session | None, event: gr.EventData) -> Changes:
        """A suggested name is written into the transcript, in the wording in which it is offered."""
        session = present(session)
        index, suggested = int(number_of(event, "index")), session.shown.corrections
        if not 0 <= index < len(suggested):
            raise MedAlignError("this suggestion is no longer there; the list above the transcript shows what is left")
        name = suggested[index].name
        if text_of(event, "name", 200) not in ("", name):  # pressed twice: the list is another one by now
            return self._shown(session, "That one is done already.")
        return self._reread(session, with_correction(session.result.transcript, suggested[index]), name)

    def _settle(self, session: Session | None, event: gr.EventData) -> Changes:
        """Places are right as they stand: the one that is named, or all those at words that were saved unchanged."""
        session = present(session)
        shown = as_reviewed(session.shown, session.review)
        listed, key = doubts(shown, session.heard), text_of(event, "key", 200)
        if key:
            chosen = [doubt for doubt in listed if doubt.key == key]
        else:
            start_s, end_s, of_segment = number_of(event, "start"), number_of(event, "end"), text_of(event, "whole") == "yes"
            here = (doubt for doubt in listed if doubt.start_s < end_s and doubt.end_s > start_s)
            chosen = [doubt for doubt in here if (doubt.kind in OF_SEGMENTS) == of_segment and doubt.said]
        if not chosen:  # pressed twice, or nothing was in doubt
            return self._shown(session, "Nothing was marked here.")
        what = chosen[0].said or chosen[0].reason
        session.settle([found_right(shown, doubt) for doubt in chosen], what)
        return self._shown(session, "Heard, and right as it stands.")

    def _reread(self, session: Session, transcript: Transcript, what: str) -> Changes:
        engine = self._models.engine()
        session.change(engine.reread(session.result, transcript, session.encoded(engine.listener)), what)
        return self._shown(session, "Read again with your words.")

    def _unedit(self, session: Session | None) -> Changes:
        """The last change is taken back."""
        session = present(session)
        session.undo()
        return self._shown(session, "As it was before.")

    def _shown(self, session: Session, done: str) -> Changes:
        status = status_view.changed(done, session.undoes)
        return self._places.changes(PageUpdate({**finished(session), "status": status}, session))

    def _explain(self, session: Session | None, event: gr.EventData) -> Changes:
        session, engine, parts = present(session), self._models.engine(), self._places.parts
        index, transcript = int(number_of(event, "index")), session.result.transcript
        explanation = engine.explain(transcript, session.encoded(engine.listener), index)
        figures = {"words_time": words_over_time, "words_support": word_support, "others": among_others}
        drawn = {parts[name]: figure(explanation) for name, figure in figures.items()}
        return {parts["why"]: why_view.explanation_view(explanation), **drawn, parts["alert"]: ""}

    def _find(self, session: Session | None, phrase: str | None) -> Iterator[Changes]:
        """In the words at once; then in the sound, which takes the models."""
        session, phrase = present(session), " ".join((phrase or "").split())
        if not phrase:
            yield {self._places.parts["hits"]: "", self._places.alert: ""}
            return
        transcript = session.result.transcript
        said = found_in_words(transcript, session.result.corrections, phrase)

        def heard() -> Changes:
            engine = self._models.engine()
            hits = engine.listener.find(session.encoded(engine.listener), phrase)
            return {self._places.parts["hits"]: result_view.hits_view(transcript, phrase, said, hits), self._places.alert: ""}

        if said:
            yield {self._places.parts["hits"]: result_view.hits_view(transcript, phrase, said)}
        yield from self._in_turn("status", heard)()
