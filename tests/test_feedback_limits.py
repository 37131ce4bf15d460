"""Feedback under hardship: addresses that name no database, disks that are full or read-only, readers who never stop."""

import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, repeat
from pathlib import Path
from types import SimpleNamespace

import gradio
import page_fixtures
import pytest

from medalign.cli import main
from medalign.core.errors import FeedbackError
from medalign.feedback.limits import MAX_KEYS, RateLimit
from medalign.feedback.records import ConceptRating, ShownResult
from medalign.feedback.store import FeedbackStore
from medalign.report.comparison import BlindOrder, candidates
from medalign.ui.audit import audited
from medalign.ui.comparison_state import ComparisonState, Entry
from medalign.ui.engine import Comparing
from medalign.ui.model_queue import ModelQueue
from medalign.ui.own_code import OwnCode
from medalign.ui.presses import DAY_S, Presses
from medalign.ui.session import Session
from medalign.ui.tabs.compare_tab import CompareTab
from medalign.ui.tabs.feedback_panel import FeedbackPanel
from medalign.ui.tabs.own_receipt import OwnReceipt
from medalign.ui.tabs.result_places import result_places
from medalign.ui.update import PageUpdate
from medalign.ui.wiring import bridge

COUGH = "HPO:HP:0012735"
COMMENT = "c" * 900


IN_A_FILE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def store(database):
    with FeedbackStore(database.url) as opened:
        yield opened


def request(host: str = "192.0.2.1", session: str = "chosen by the client") -> SimpleNamespace:
    return SimpleNamespace(session_hash=session, client=SimpleNamespace(host=host))


def event(**data: str) -> gradio.EventData:
    return gradio.EventData(None, data)


PRESS = {"concept": COUGH, "rowStatus": "present", "verdict": "correct"}


def panel(store: FeedbackStore, presses: Presses | None = None) -> FeedbackPanel:
    with gradio.Blocks():
        session = gradio.State()
        return FeedbackPanel(store, result_places(session, gradio.Button(render=False), {}), presses or Presses())


def reader_session() -> Session:
    session = Session("recording.wav", "recording")
    session.finish(page_fixtures.analysis())
    return session


def receipt(store: FeedbackStore, n_ratings: int) -> str:
    shown = ShownResult.of(page_fixtures.analysis(), is_example=False)
    code = store.open(store.register(shown)).code
    for i in range(n_ratings):
        store.rate(code, ConceptRating("missing", label=f"thing {i}", comment=COMMENT))
    return code


@contextmanager
def full_disk(n_bytes: int):
    """No file grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(file: Path):
    """Nobody writes to the file, even where the tests run as root; beside it, SQLite may."""
    was_root = os.geteuid() == 0
    file.chmod(0o444)
    file.parent.chmod(0o777)
    if was_root:
        for parent in file.parent.parents:  # pytest closes its folders to others, however deep
            parent.chmod(parent.stat().st_mode | 0o111)
        os.seteuid(65534)  # nobody
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)
        file.chmod(0o600)


@pytest.mark.parametrize(
    "where",
    [
        "postgresql://me:secret@db.internal:abc/feedback",
        "postgresql://[::1/feedback",
        "feedback\0.sqlite3",
        "sqlite:///feedback\0.sqlite3",
        "postgresql://me:secret@db.internal/feed\0back",
        "sqlite:///{folder}/feedback.sqlite3?timeout=soon",
        "sqlite:///{folder}",
    ],
)
def test_a_database_that_cannot_be_named_is_one_sentence_and_status_two(where, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("medalign.cli.serve._load", lambda models: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # is set anew, and must not stay
    assert main(["serve", "--feedback", where.replace("{folder}", str(tmp_path))]) == 2
    told = capsys.readouterr().err
    assert told.startswith("medalign: ") and told.count("\n") == 1 and "secret" not in told and "\0" not in told


@IN_A_FILE
@pytest.mark.parametrize("n_bytes", [1, 20_000, 60_000, 100_000, 150_000])
def test_on_a_full_disk_a_withdrawal_is_whole_or_not_at_all(store, database, n_bytes, caplog):
    """At 100,000 bytes the deletion fits into the log, but not the file that is written anew."""
    code, other = receipt(store, 40), receipt(store, 10)
    store._database._asked("PRAGMA wal_checkpoint(TRUNCATE)")
    with full_disk(n_bytes):
        try:
            gone = store.withdraw(code)
        except FeedbackError as error:
            gone = 0
            assert "can't be used" in str(error) and "\n" not in str(error)
    assert gone in (0, 40) and (n_bytes > 20_000 or not gone) and (n_bytes < 100_000 or gone)
    if not gone:
        assert len(store.ratings(code)) == 40 and store.withdraw(code) == 40, "with room again, it goes"
    elif n_bytes < 150_000:
        assert "traces of deleted feedback may still be in the file" in caplog.text
    assert len(store.ratings(other)) == 10 and database.is_sound()
    store.close()
    with FeedbackStore(database.url) as again, pytest.raises(FeedbackError, match="no feedback under this receipt"):
        again.ratings(code)
    assert database.traces(COMMENT) == 10


@IN_A_FILE
def test_a_read_only_file_is_read_and_a_withdrawal_loses_nothing(store, database):
    code = receipt(store, 3)
    store.close()
    with read_only(database.path), FeedbackStore(database.url, create=False) as opened:
        assert len(opened.ratings(code)) == 3
        for act in (lambda: opened.withdraw(code), lambda: opened.undo(code), lambda: receipt(opened, 1)):
            with pytest.raises(FeedbackError, match="can't be used") as refused:
                act()
            assert refused.value.for_readers is None, "a file's name tells nothing of the server"
        assert len(opened.ratings(code)) == 3
    with FeedbackStore(database.url) as again:
        assert again.withdraw(code) == 3


def test_what_was_done_is_told_although_the_audit_log_cannot_take_it(store, monkeypatch, caplog):
    """The last step of a withdrawal and of an analysis; its failure once hid both."""

    def full(_event):
        raise FeedbackError("the disk is full")

    monkeypatch.setattr(store, "log", full)
    session, page = reader_session(), panel(store)
    page._rate(session, "no role given", False, OwnCode(), event(**PRESS), request())
    with caplog.at_level(logging.WARNING):
        done = page._withdraw(session, session.receipts[0], OwnCode(), request())
        updates = list(audited(store, "analyze", request(), iter([PageUpdate(session=session)])))
    assert "Withdrawn: 1 entry deleted" in str(done.values()) and not session.receipts
    assert len(updates) == 1 and caplog.text.count("the disk is full") == 2


def test_a_press_that_fails_halfway_does_not_spoil_the_next(store, monkeypatch):
    session, page, opened = reader_session(), panel(store), store.open

    def full(*_, **__):
        raise FeedbackError("the disk is full")

    monkeypatch.setattr(store, "open", full)
    with pytest.raises(FeedbackError, match="the disk is full"):
        page._rate(session, "no role given", False, OwnCode(), event(**PRESS), request())
    monkeypatch.setattr(store, "open", opened)
    page._rate(session, "no role given", False, OwnCode(), event(**PRESS), request())
    assert len(store.table("ratings")) == len(session.receipts) == 1


# Readers who never stop


class Counted(Presses):
    """Presses that are counted here, too, at a time that stands still until it is moved on."""

    def __init__(self) -> None:
        self.now, self.n = 0.0, 0
        super().__init__(clock=lambda: self.now)

    def count(self, request, allowance="give"):
        super().count(request, allowance)
        self.n += 1


def n_taken(presses: Presses, addresses: Iterator[str], n: int = 2000) -> int:
    """Presses, each under a new session, until one is refused."""
    for i in range(n):
        try:
            presses.count(request(next(addresses), session=f"forged {i}"))
        except FeedbackError:
            return i
    return n


def test_an_honest_press_counts_once_whatever_it_stores(store):
    presses, session = Counted(), reader_session()
    page = panel(store, presses)
    for _ in range(2):  # the first registers the result and opens a receipt, the second does neither
        page._rate(session, "no role given", False, OwnCode(), event(**PRESS), request())
    page._amend(session, None, None, None, "why", request())
    who = {page._session: session, page._role: "no role given", page._keep: False, page._own: OwnCode()}
    page._rate_whole({**who, page._comment: "", **dict.fromkeys(page._lines.values(), 3)}, request())
    place = {page._start: 1.0, page._end: 2.0, page._words: ""}
    page._add_missing({**who, page._label: "rash", page._status: None, **place}, request())
    page._undo(session, request())
    page._withdraw(session, session.receipts[0], OwnCode(), request())
    assert presses.n == 7


def test_a_vote_counts_once(store):
    presses = Counted()
    with gradio.Blocks():
        receipt = OwnReceipt(store)
        receipt.field.render()
        tab = CompareTab(
            Comparing(page_fixtures.load_candidate), ModelQueue(), gradio.State(), presses, (), bridge("delete"), receipt
        )
    sides = [Entry(c, page_fixtures.load_candidate(c)[0].result, 1) for c in candidates()[:2]]
    comparison = ComparisonState(*sides, blind=True, order=BlindOrder("a", 0), peaks=b"\0\0")
    comparison.seen = {"left", "right"}
    tab._casts(store, "left")(comparison, None, "", OwnCode(), request())
    assert presses.n == len(store.table("votes")) == 1


def test_an_address_may_press_so_often_whatever_session_it_claims():
    presses = Counted()
    assert n_taken(presses, repeat("192.0.2.1")) == 120
    assert n_taken(presses, repeat("192.0.2.2"), 10) == 10, "somebody else"
    presses.count(request("192.0.2.1"), "withdraw")  # whoever has just rated a lot may still withdraw
    with pytest.raises(FeedbackError, match="wait 60 s, then go on; nothing is lost"):
        presses.count(request("192.0.2.1"))
    presses.now = 60.0
    assert n_taken(presses, (f"2001:db8::{i:x}" for i in count(1))) == 120, "a customer has 2**64 of them"
    presses.now = 120.0
    assert n_taken(presses, (f"::ffff:192.0.2.{i}" for i in range(1, 256)), 200) == 200


def test_all_addresses_together_may_press_so_often():
    presses = Counted()
    assert n_taken(presses, (f"198.51.{i // 256}.{i % 256}" for i in count())) == 600
    presses.now = 60.0
    for _ in range(200):  # those that are refused take nothing from the others
        n_taken(presses, repeat("192.0.2.1"))
    assert n_taken(presses, repeat("192.0.2.2")) == 120


def test_an_address_may_press_so_often_in_a_day():
    presses, n = Counted(), 0
    for minute in range(60):
        presses.now = 60.0 * minute
        n += n_taken(presses, repeat("192.0.2.1"))
    assert n == 5000
    with pytest.raises(FeedbackError, match="wait 1381 minutes"):
        presses.count(request("192.0.2.1"))
    presses.now = DAY_S
    presses.count(request("192.0.2.1"))


def test_an_address_is_neither_remembered_nor_stored(store, database):
    presses, session = Presses(), reader_session()
    panel(store, presses)._rate(session, "no role given", False, OwnCode(), event(**PRESS), request("192.0.2.77"))
    remembered = repr([limit._times for limit in (*presses._of_address, presses._of_all)])
    assert "192.0.2" not in remembered and remembered.count("give ") == 2
    assert database.traces("192.0.2") == 0 and not any(database.traces(key) for key in presses._of_address[0]._times)


def test_no_more_addresses_are_remembered_than_fit():
    limit = RateLimit(1)
    for i in range(MAX_KEYS + 1):
        limit.count(str(i))
    assert len(limit._times) <= MAX_KEYS
    with pytest.raises(FeedbackError):
        limit.count(str(MAX_KEYS))  # the newest are kept


def test_a_database_takes_so_much_and_what_is_there_can_still_be_taken_back(database):
    with FeedbackStore(database.url, n_rows=40) as store:
        code, n = receipt(store, 1), 1
        with pytest.raises(FeedbackError, match="the 40 rows of feedback that it takes, so this was not stored"):  # noqa: PT012
            for n in range(1, 100):
                store.rate(code, ConceptRating("missing", label=f"more {n}"))
        assert len(store.ratings(code)) == n and 20 < n < 40
        for act in (lambda: store.open("0" * 32), lambda: receipt(store, 0)):
            with pytest.raises(FeedbackError, match="so this was not stored"):
                act()
        assert store.undo(code) is not None
        store.rate(code, ConceptRating("missing", label="one more"))
        store.amend(code, role="nurse", keep_span=False)
        assert store.withdraw(code) == n and receipt(store, 1)


def test_a_database_with_much_room_is_not_counted_at_each_press(database, monkeypatch):
    counted = []
    monkeypatch.setattr("medalign.feedback.results.count_rows", lambda connection: counted.append(1) or 100)
    with FeedbackStore(database.url, n_rows=10_100) as store:
        receipt(store, 31)  # two transactions more
    assert len(counted) == 3
