"""What the server holds of its readers in memory, and for how long."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import gradio as gr
import pytest
from anyio.from_thread import start_blocking_portal

from medalign.ui import session_holder
from medalign.ui.session import KEEP_S
from medalign.ui.session_holder import SessionHolder, forget_sessions

WORDS = "nobody else may know"


@pytest.fixture
def forgotten():
    return []


@pytest.fixture
def holder(forgotten, monkeypatch):
    """Of a page with a state and a place for words, which three readers have seen."""
    monkeypatch.setattr(session_holder, "MAX_SESSIONS", 3)
    with gr.Blocks() as page:
        state = gr.State(None, time_to_live=KEEP_S, delete_callback=forgotten.append)
        place = gr.HTML()
        gr.Button().click(lambda: WORDS, None, place)
    holder = SessionHolder()
    holder.set_blocks(page)
    with start_blocking_portal() as portal:  # a browser's tests leave a loop running in this thread
        for reader in ("first", "second", "third"):
            holder[reader][state._id] = f"result of the {reader}"
            for returned in (WORDS, gr.update(value=WORDS, visible=True)):  # as Gradio does with what a press returns
                portal.call(page.postprocess_data, *page.fns.values(), [returned], holder[reader])
    return holder


def test_what_a_press_has_shown_is_not_held(holder):
    values = [vars(session) | vars(session.blocks_config) for session in holder.session_data.values()]
    assert len(values) == 3 and "result of the first" in str(values[0])
    assert WORDS not in str(values)
    assert not any(block.value == WORDS for value in values for block in value["blocks"].values() if hasattr(block, "value"))


def test_an_hour_after_the_last_press_nothing_of_a_reader_is_in_memory(holder, forgotten, monkeypatch):
    holder.delete_all_expired_state()
    assert len(holder.session_data) == 3 and not forgotten

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(seconds=KEEP_S + 1)

    monkeypatch.setattr(session_holder, "datetime", Later)
    monkeypatch.setattr("gradio.state_holder.datetime", SimpleNamespace(datetime=Later))
    holder.delete_all_expired_state()
    assert not holder.session_data and not holder.time_last_used
    assert sorted(forgotten) == ["result of the first", "result of the second", "result of the third"]


def test_beyond_the_capacity_the_reader_who_was_away_for_longest_goes_with_the_files(holder, forgotten):
    holder["first"]  # presses once more
    holder["fourth"]
    assert list(holder.session_data) == ["third", "first", "fourth"]
    assert forgotten == ["result of the second"]


def test_gradio_starts_servers_with_it(monkeypatch):
    monkeypatch.setattr("gradio.routes.StateHolder", object)
    forget_sessions()
    with gr.Blocks() as page:
        gr.HTML()
    from gradio.routes import App

    assert isinstance(App.create_app(page).state_holder, SessionHolder)
