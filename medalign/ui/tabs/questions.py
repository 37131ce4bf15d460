"""What a reader asks of a finished result, each one call downwards: other words, why, where."""

from collections.abc import Callable, Iterator
from functools import wraps

import gradio as gr

from medalign.concepts.lost_medicines import amounts_in
from medalign.core.editing import edit_segment, rename_speaker, with_correction, write_between, write_over
from medalign.core.errors import MedAlignError
from medalign.core.explanation import found_in_words
from medalign.core.review import SAME_S, as_reviewed
from medalign.core.transcript import Transcript
from medalign.core.wording import clock
from medalign.report.doubt import OF_SEGMENTS, Doubt, as_it_stands
from medalign.report.ear import doubts, found_right
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
        again = status_view.told("Reading again with your words …")
        changes = (
            ("edit", self._edit, again), ("write", self._write, again), ("accept", self._accept, again),
            ("settle", self._settle, ""), ("unedit", self._unedit, ""),
        )  # fmt: skip
        for name, change, begun in changes:
            every = {} if name == "unedit" else EVERY_PRESS  # each names what it changes, but for the last one
            connect(bridge(name), self._in_turn("status", change, begun), [session], places.all, alert, **OWN_QUEUE, **every)
        explained = [parts[name] for name in ("why", "words_time", "words_support", "others")]
        connect(
            bridge("why"),
            self._in_turn("why", self._explain, why_view.LISTENING),
            [session],
            explained,
            alert,
            **OWN_QUEUE,
            **EVERY_PRESS,
        )
        for event in (places.search.click, places.phrase.submit):
            connect(event, self._find, [session, places.phrase], [parts["hits"], parts["status"]], alert, **OWN_QUEUE)
        connect(bridge("close-search"), self._close, [session], [parts["hits"], places.phrase], alert, queue=False)

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
        at_s = transcript.segments[index].start_s
        return self._reread(session, changed, f"change at {clock(at_s)}", at_s)

    def _write(self, session: Session | None, event: gr.EventData) -> Changes:
        """What was said where nothing is written."""
        session = present(session)
        start_s, end_s = number_of(event, "start"), number_of(event, "end")
        changed = write_between(session.result.transcript, start_s, end_s, text_of(event, "text"), text_of(event, "speaker"))
        return self._reread(session, changed, f"words at {clock(start_s)}", start_s)

    def _accept(self, session: Session | None, event: gr.EventData) -> Changes:
        """A suggested name, or another word for a critical one, is written into the transcript as the button has it."""
        session = present(session)
        if place := text_of(event, "place", 200):
            doubt = next((doubt for doubt in _listed(session) if doubt.key == place and doubt.suggestion), None)
            if doubt is None or doubt.suggestion is None:  # pressed twice
                return self._shown(session, "That one is done already.")
            changed = session.result.transcript
            for same in doubt.places:
                kept = amounts_in([word.text for word in changed.words]) if doubt.kind == "medicine" else ()
                changed = write_over(changed, same.start_s, same.end_s, doubt.suggestion, kept)
            return self._reread(session, changed, f"Write {doubt.suggestion}", doubt.start_s)
        index, suggested = int(number_of(event, "index")), session.shown.corrections
        if not 0 <= index < len(suggested):
            raise MedAlignError("this suggestion is no longer there; the list above the transcript shows what is left")
        name = suggested[index].name
        if text_of(event, "name", 200) not in ("", name):  # pressed twice: the list is another one by now
            return self._shown(session, "That one is done already.")
        changed = session.result.transcript
        has_number = any(c.isdigit() for c in name)  # "vitamin b12": of the name
        alike: list[int | None] = []  # what the list has as one entry
        if text_of(event, "all") == "yes":
            alike = next(([d.correction for d in entry.places] for entry in _listed(session) if entry.correction == index), [])
        chosen = {index, *(i for i in alike if i is not None)}
        for at in sorted(chosen, key=lambda i: suggested[i].first_word, reverse=True):  # those before it keep their place
            kept = () if has_number else amounts_in([word.text for word in changed.words])
            changed = with_correction(changed, suggested[at], kept)
        return self._reread(session, changed, f"Write {name}", suggested[index].start_s)

    def _settle(self, session: Session | None, event: gr.EventData) -> Changes:
        """Places are right as they stand: the one that is named, or all those at words that were saved unchanged."""
        session = present(session)
        listed, key = _listed(session), text_of(event, "key", 200)
        if key:
            chosen = [place for doubt in listed if doubt.key == key for place in doubt.places]
        else:
            start_s, end_s, of_segment = number_of(event, "start"), number_of(event, "end"), text_of(event, "whole") == "yes"
            # The page rounds: a neighbour that begins where the word ends is no part of it.
            each = (place for doubt in listed for place in doubt.places)
            here = (doubt for doubt in each if doubt.start_s < end_s - SAME_S and doubt.end_s > start_s + SAME_S)
            chosen = [doubt for doubt in here if (doubt.kind in OF_SEGMENTS) == of_segment and doubt.said]
        if not chosen:  # pressed twice, or nothing was in doubt
            return self._shown(session, "Nothing was marked here.")
        session.settle([found_right(session.shown, doubt) for doubt in chosen], as_it_stands(chosen[0]))
        return self._shown(session, "Heard, and right as it stands.")

    def _reread(self, session: Session, transcript: Transcript, what: str, at_s: float) -> Changes:
        """Concepts and doubts follow the words; what is in doubt now, and was not before, is said to be new."""
        engine, known = self._models.engine(), {place.key for doubt in _listed(session) for place in doubt.places}
        before = frozenset(session.result.transcript.segments)
        changed = [segment for segment in transcript.segments if segment not in before]
        session.change(engine.reread(session.result, transcript, session.encoded(engine.listener)), what, at_s)
        # Of critical words only the likeliest few are marked: one that moves up because another has gone is not new, where its
        # segment was not touched.
        moved_up = {
            (w.start_s, w.end_s)
            for w in session.result.critical_words
            if not any(w.start_s < s.end_s and w.end_s > s.start_s for s in changed)
        }
        each = [place for doubt in _listed(session) for place in doubt.places]
        session.news = frozenset(d.key for d in each if (d.start_s, d.end_s) not in moved_up) - known
        n = len(session.news)
        return self._shown(session, f"Read again with your words{f': {n} new under Use your ear' if n else ''}.")

    def _unedit(self, session: Session | None) -> Changes:
        """The last change is taken back."""
        session = present(session)
        session.undo()
        return self._shown(session, status_view.AS_BEFORE)

    def _shown(self, session: Session, done: str) -> Changes:
        """What was done is seen where it was done. A line above would push the list down: the next press would take the row
        above the one that was meant."""
        return self._places.changes(PageUpdate({**finished(session), "status": status_view.told(done)}, session))

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
        session.sought = phrase
        if not phrase:
            yield {self._places.parts["hits"]: "", self._places.alert: ""}
            return
        transcript = session.result.transcript
        said = found_in_words(transcript, session.result.corrections, phrase)

        def heard() -> Changes:
            engine = self._models.engine()
            hits = engine.listener.find(session.encoded(engine.listener), phrase)
            if session.sought != phrase:  # closed meanwhile, or another one is sought
                return {self._places.alert: ""}
            return {self._places.parts["hits"]: result_view.hits_view(transcript, phrase, said, hits), self._places.alert: ""}

        yield {self._places.parts["hits"]: result_view.hits_view(transcript, phrase, said)}
        yield from self._in_turn("status", heard)()

    def _close(self, session: Session | None) -> Changes:
        if session is not None:
            session.sought = ""
        return {self._places.parts["hits"]: "", self._places.phrase: ""}


def _listed(session: Session) -> tuple[Doubt, ...]:
    """What the page lists to be heard again."""
    return doubts(as_reviewed(session.shown, session.review), session.review, session.shown)
