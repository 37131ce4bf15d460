"""What a reader judges acts with a feedback store and without, counts for the right words, and goes back in order."""

from dataclasses import replace
from types import SimpleNamespace

import gradio
import pytest
from gradio import EventData
from page_fixtures import FakeEngine, analysis

from medalign.core.errors import FeedbackError
from medalign.feedback.records import ConceptRating
from medalign.feedback.store import FeedbackStore
from medalign.report.ear import doubts
from medalign.ui.engine import Models
from medalign.ui.ledger import Ledger
from medalign.ui.own_code import OwnCode
from medalign.ui.presses import Presses
from medalign.ui.session import Session
from medalign.ui.tabs.feedback_panel import FeedbackPanel
from medalign.ui.tabs.questions import Questions
from medalign.ui.tabs.result_places import result_places
from medalign.ui.update import ResultPlaces

COUGH, FEVER = ("HPO:HP:0012735", "present"), ("HPO:HP:0001945", "uncertain")
REQUEST = SimpleNamespace(session_hash="reader", client=SimpleNamespace(host="192.0.2.1"))


@pytest.fixture(scope="module")
def handlers():
    """Those of the page that judge and change a result; to build them takes longer than to use them."""
    with gradio.Blocks():
        places = result_places(gradio.State(), gradio.Button(render=False), {})
        panel = FeedbackPanel(None, places, Presses())
        return panel, Questions(Models(lambda: FakeEngine(analysis())), places)


@pytest.fixture(params=["stored", "switched off"])
def reader(request, handlers, tmp_path, monkeypatch):
    """A session with a result, and what judges and changes it, with a store of its own or with none."""
    (panel, questions), stored = handlers, request.param == "stored"
    store = FeedbackStore(str(tmp_path / "feedback.sqlite3")) if stored else None
    session = Session("recording.wav", "recording")
    session.finish(analysis())
    monkeypatch.setattr(session, "encoded", lambda listener: None)
    monkeypatch.setattr(panel, "_ledger", Ledger(store))
    monkeypatch.setattr(ResultPlaces, "changes", lambda self, update: dict(update.parts))
    yield session, panel, questions, store
    if store is not None:
        store.close()


def rate(reader, row, verdict: str) -> dict:
    session, panel, *_ = reader
    pressed = {"concept": row[0], "rowStatus": row[1], "verdict": verdict}
    return panel._rate(session, "no role given", False, OwnCode(), EventData(None, pressed), REQUEST)


def test_a_mention_is_judged_by_itself_and_taken_back_by_itself(reader):
    session, panel, *_ = reader
    row = next(c for c in session.result.concepts if (c.concept_id, c.status) == COUGH)
    first = row.text_evidence[0]
    twice = replace(row, teacher=replace(row.teacher, evidence=(first, replace(first, start_s=30.0, end_s=30.4))))
    session.finish(replace(session.result, concepts=tuple(twice if c is row else c for c in session.result.concepts)))
    of_mention = {"concept": COUGH[0], "rowStatus": COUGH[1], "place": "30.00"}
    denied = {**of_mention, "verdict": "wrong_status", "rightStatus": "negated"}
    rate(reader, COUGH, "correct")
    panel._rate(session, "no role given", False, OwnCode(), EventData(None, denied), REQUEST)
    assert [(j.start_s, j.right, j.of_mention) for j in session.judged] == [
        (first.start_s, "present", False), (30.0, "negated", True),
    ]  # fmt: skip
    assert panel._ledger.pressed(session) == {
        "HPO:HP:0012735|present": "correct", "HPO:HP:0012735|present|30.00": "wrong_status",
    }  # fmt: skip
    panel._unrate(session, EventData(None, of_mention), REQUEST)
    assert [j.of_mention for j in session.judged] == [False], "the row's own judgement stays"
    with pytest.raises(FeedbackError, match="no longer"):
        panel._rate(session, "no role given", False, OwnCode(), EventData(None, {**denied, "place": "31.00"}), REQUEST)


def test_what_is_missing_has_a_status(reader):
    session, panel, _, store = reader
    if store is None:
        return  # nothing but rows is asked for then
    rating = ConceptRating("missing", label="locking", right_status="negated", start_s=3.0, end_s=4.0)
    panel._ledger.rate(session, rating, {"role": None, "keep_span": False}, OwnCode())
    assert [added.label for added in panel._ledger.added(session)] == ["locking, denied"]


def change(reader, text: str) -> dict:
    session, _, questions, _ = reader
    return questions._edit(session, EventData(None, {"index": "0", "text": text, "speaker": "Doctor"}))


def test_a_judgement_acts_on_the_page_whether_or_not_it_is_stored(reader):
    session, panel, _, _ = reader
    shown = rate(reader, COUGH, "wrong")
    assert "you: not said" in shown["table"] and "Play Cough," not in shown["overview"]
    assert panel._unrate(session, EventData(None, {"concept": COUGH[0], "rowStatus": COUGH[1]}), REQUEST)
    assert session.judged == () and session.order == []


def test_undo_goes_back_in_the_order_in_which_things_were_done(reader):
    session, panel, _, _ = reader
    rate(reader, COUGH, "wrong")
    change(reader, "Good day, what brings you in today?")
    rate(reader, FEVER, "correct")
    assert [len(session.judged), len(session.changes)] == [2, 1]
    left = []
    for _ in range(3):
        panel._undo_last(session, REQUEST)
        left.append((len(session.judged), len(session.changes)))
    assert left == [(1, 1), (1, 0), (0, 0)] and session.result is session.original
    assert "nothing to undo" in str(panel._undo_last(session, REQUEST).values())


def test_what_is_rated_after_an_edit_counts_for_the_models_unless_it_rests_on_the_readers_words(reader):
    session, panel, questions, store = reader
    change(reader, "Good day, what brings you in today?")
    rate(reader, COUGH, "correct")
    theirs = replace(session.result, concepts=tuple(replace(c, trigger="own") for c in session.result.concepts))
    session.change(theirs, "another", 0.0)
    rate(reader, FEVER, "correct")
    if store is not None:
        assert store.table("ratings").set_index("label")["is_edited"].to_dict() == {"Cough": False, "Fever": True}
        assert len(session.receipts) == 2
    shown = rate(reader, COUGH, "wrong")
    assert "Undo: Cough" in str(shown.values()), "what is undone is what was rated last, under whichever code"
    assert panel._undo(session, REQUEST) and len(session.judged) == 2


def test_a_search_that_was_closed_while_it_listened_does_not_come_back(reader):
    session, _, questions, _ = reader
    hits = questions._places.parts["hits"]
    answers = questions._find(session, "chest pain")
    assert "Listening" in next(answers)[hits]
    questions._close(session)
    assert not [answer for answer in answers if hits in answer]


def test_places_that_a_change_brings_are_said_to_be_new(reader, monkeypatch):
    session, _, questions, _ = reader
    shown = change(reader, "Good day, what brings you in today?")
    assert not session.news and "new</b>" not in shown["overview"]
    read = FakeEngine.reread

    def doubted(engine, *given):
        after = read(engine, *given)
        return replace(after, concepts=tuple(replace(c, probability=0.3) for c in after.concepts))

    monkeypatch.setattr(FakeEngine, "reread", doubted)
    shown = change(reader, "Good morning, what brings you in today?")
    n = len(session.news)
    assert n and f"{n} new" in shown["status"] and f"Read again: {n} new." in shown["overview"]
    _, first, *others = shown["transcript"].split('class="segment"')
    assert "unedit" in first and "unedit" not in "".join(others), "where it was made"
    questions._unedit(session)
    assert not session.news


def test_a_name_that_stands_wrong_many_times_is_written_everywhere_in_one_press_or_kept_everywhere(reader):
    session, _, questions, _ = reader
    (suggested,) = session.result.corrections
    words = session.result.transcript.words
    other = next(i for i, word in enumerate(words) if word.start_s > 40.0)
    again = replace(suggested, first_word=other, last_word=other, start_s=words[other].start_s, end_s=words[other].end_s)
    before = replace(session.result, corrections=(suggested, again))
    n = session.result.transcript.text.count("amoxicillin")
    for pressed, written in (({"all": "yes"}, 2), ({}, 1)):
        session.finish(before)
        questions._accept(session, EventData(None, {"index": "0", "name": "amoxicillin", **pressed}))
        assert session.result.transcript.text.count("amoxicillin") == n + written
        session.undo()
    entry = next(d for d in doubts(before) if d.suggestion == "amoxicillin")
    questions._settle(session, EventData(None, {"key": entry.key}))
    assert [heard.start_s for heard in session.heard] == [place.start_s for place in entry.places] and len(session.heard) == 2
