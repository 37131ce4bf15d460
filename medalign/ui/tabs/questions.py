"""What a reader asks of a finished result, each one call downwards: other words, why, where."""

from collections.abc import Callable

import gradio as gr

from medalign.core.editing import edit_passage, rename_speaker, with_correction
from medalign.core.errors import MedAlignError
from medalign.report.explanation_figures import among_others, word_support, words_over_time
from medalign.ui.bridge import bridge, number_of, text_of
from medalign.ui.engine import Engine
from medalign.ui.run import finished
from medalign.ui.session import Session
from medalign.ui.states import MODEL_QUEUE, PRESS, QUIET, Parts, addressed, guarded
from medalign.ui.views import search_view, why_view


def wire_questions(load_engine: Callable[[], Engine], parts: Parts, search: gr.Button, session: gr.State) -> None:
    """Wire all of them; `search` is the button beside the phrase."""
    every = [*parts.values(), session]
    for name, handler in (("edit", _edit), ("accept", _accept)):
        bridge(name).sent(
            guarded(parts["alert"], handler, load_engine, parts, session), [session], every, **MODEL_QUEUE, **QUIET
        )
    explained = [parts[name] for name in ("why", "words_time", "words_support", "others", "alert")]
    bridge("why").sent(guarded(parts["alert"], _why_this, load_engine, parts), [session], explained, **MODEL_QUEUE, **PRESS)
    find = guarded(parts["alert"], _find, load_engine, parts)
    for event in (search.click, parts["phrase"].submit):
        event(find, [session, parts["phrase"]], [parts["hits"], parts["alert"]], **MODEL_QUEUE, **QUIET)


def _edit(load_engine, parts, state, held: Session | None, event: gr.EventData):
    """Other words or another speaker: concepts are read again."""
    held = _present(held)
    said = held.analysis.transcript
    index, speaker = int(number_of(event, "index")), text_of(event, "speaker")
    changed = edit_passage(said, index, text_of(event, "text"), speaker)
    if text_of(event, "everywhere") == "yes":
        changed = rename_speaker(changed, said.segments[index].speaker, speaker)
    return _reread(load_engine, parts, state, held, changed)


def _accept(load_engine, parts, state, held: Session | None, event: gr.EventData):
    """A suggested name is written into the transcript."""
    held = _present(held)
    index = int(number_of(event, "index"))
    if not 0 <= index < len(held.analysis.corrections):
        raise MedAlignError("this suggestion is no longer there; the list above the transcript shows what is left")
    changed = with_correction(held.analysis.transcript, held.analysis.corrections[index])
    return _reread(load_engine, parts, state, held, changed)


def _reread(load_engine, parts, state, held: Session, transcript):
    engine = load_engine()
    held.change(engine.reread(held.analysis, transcript, held.heard(engine.listener)))
    return addressed({**finished(held), "session": held, "status": "Read again with your words."}, parts, state)


def _why_this(load_engine, parts, held: Session | None, event: gr.EventData):
    held, engine = _present(held), load_engine()
    said = engine.explain(held.analysis.transcript, held.heard(engine.listener), int(number_of(event, "index")))
    return {parts["why"]: why_view.explanation_view(said), parts["words_time"]: words_over_time(said),
            parts["words_support"]: word_support(said), parts["others"]: among_others(said), parts["alert"]: ""}  # fmt: skip


def _find(load_engine, parts, held: Session | None, phrase: str):
    held, engine = _present(held), load_engine()
    hits = engine.listener.find(held.heard(engine.listener), phrase or "")
    return {parts["hits"]: search_view.hits_view(" ".join(phrase.split()), hits), parts["alert"]: ""}


def _present(held: Session | None) -> Session:
    if held is None or held.analysis is None:
        raise MedAlignError("there is no result any more; analyse the recording again")
    return held
