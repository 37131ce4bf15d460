"""Feedback on a database server that is stopped, full, read-only or crowded: one sentence, and nothing is lost."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
from databases import OwnDatabase
from page_fixtures import analysis
from sqlalchemy.engine import make_url

from medalign.core.errors import FeedbackError
from medalign.feedback import results, submissions
from medalign.feedback.database import BUSY
from medalign.feedback.limits import RateLimit
from medalign.feedback.records import ConceptRating, RecordingRating, ShownResult
from medalign.feedback.schema import VERSION
from medalign.feedback.store import FeedbackStore

COUGH = "HPO:HP:0012735"
RATING = ConceptRating("correct", COUGH, "present")
ON_A_SERVER = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
WAIT_S = 60


@pytest.fixture
def store(database):
    with FeedbackStore(database.url, limit=RateLimit(10_000)) as opened:
        yield opened


def shown() -> ShownResult:
    return ShownResult.of(analysis(), is_example=False)


def receipt(store: FeedbackStore, n_ratings: int = 0) -> str:
    code = store.open(store.register(shown())).code
    for i in range(n_ratings):
        store.rate(code, ConceptRating("missing", label=f"thing {i}"))
    return code


def refused(act: Callable[[], object], *secrets: str) -> FeedbackError:
    """The error that it ends in: one sentence without secrets, and for readers without anything of the server."""
    with pytest.raises(FeedbackError) as caught:
        act()
    told = str(caught.value)
    assert "\n" not in told and not any(secret in told for secret in secrets), told
    return caught.value


# Stopped


@ON_A_SERVER
def test_a_server_that_was_stopped_loses_nothing_and_is_used_again_when_it_is_back(store, database):
    code = receipt(store, 3)
    with database.server.stopped():
        for act in (lambda: store.ratings(code), lambda: store.rate(code, RATING), lambda: store.withdraw(code)):
            error = refused(act, database.server.password)
            assert "127.0.0.1" in str(error) and error.for_readers == BUSY, "the driver names the host"
    assert len(store.ratings(code)) == 3
    store.rate(code, RATING)
    assert store.withdraw(code) == 4


@ON_A_SERVER
def test_a_server_that_crashes_in_the_middle_keeps_what_it_had_confirmed(store, database):
    codes, confirmed, enough = [receipt(store) for _ in range(2)], [], threading.Event()

    def write(code: str) -> None:
        for i in range(10**6):
            label = f"{code} {i}"
            store.rate(code, ConceptRating("missing", label=label))
            confirmed.append(label)
            if len(confirmed) >= 20:
                enough.set()

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, code) for code in codes]
        assert enough.wait(WAIT_S)
        with database.server.stopped("immediate"):
            assert {refused(writer.result).for_readers for writer in writers} == {BUSY}
    assert set(confirmed) <= set(store.table("ratings").label) and database.is_sound()
    store.rate(codes[0], RATING)


@ON_A_SERVER
def test_a_server_that_stops_within_a_transaction_keeps_nothing_of_it(store, database):
    code = receipt(store, 2)

    def cut_short() -> None:
        with store._database.erasing() as connection:
            submissions.delete_all(connection, submissions.find(connection, code))
            database.server.stop()

    try:
        assert refused(cut_short).for_readers == BUSY
    finally:
        database.server.start()
    assert len(store.ratings(code)) == 2 and store.withdraw(code) == 2


# Out of reach, or closed


@ON_A_SERVER
def test_a_server_that_lets_nobody_in_is_one_sentence(database):
    url, password = make_url(database.url), database.server.password
    wrongs = (
        url.set(password="not the one"),
        url.set(database="none"),
        url.set(port=1),
        url.update_query_dict({"no_such_option": "1"}),
        url.update_query_dict({"options": "-cno_such_option=1"}),
    )
    for wrong in wrongs:
        refused(partial(FeedbackStore, wrong.render_as_string(hide_password=False)), password, "not the one")


@ON_A_SERVER
@pytest.mark.parametrize("closed", ["default_transaction_read_only=on", "no rights"])
def test_a_database_that_may_only_be_read_is_read_and_a_withdrawal_loses_nothing(store, database, closed):
    code = receipt(store, 3)
    url = make_url(database.url)
    if closed == "no rights":
        schema = database.sql("SELECT current_schema()")[0][0]
        database.sql(
            "DROP ROLE IF EXISTS reader", f"CREATE ROLE reader LOGIN PASSWORD '{database.server.password}'",
            f"GRANT USAGE ON SCHEMA {schema} TO reader", f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader",
        )  # fmt: skip
        url = url.set(username="reader")
    else:
        url = url.update_query_dict({"options": f"{url.query['options']} -c{closed}"})
    try:
        with FeedbackStore(url.render_as_string(hide_password=False), create=False) as opened:
            assert len(opened.ratings(code)) == 3
            for act in (lambda: opened.withdraw(code), lambda: opened.undo(code), lambda: receipt(opened)):
                assert refused(act).for_readers == BUSY
    finally:
        if closed == "no rights":
            database.sql("DROP OWNED BY reader", "DROP ROLE reader")
    assert store.withdraw(code) == 3


@ON_A_SERVER
def test_on_a_full_disk_nothing_is_half_stored_and_what_is_there_can_be_taken_back(store, database):
    """No table of the store's connection grows beyond a megabyte."""
    code = receipt(store, 3)
    (submission_id,) = set(store.table("ratings").submission_id)
    database.sql(
        "INSERT INTO feedback_ratings (submission_id, action, created_at, subject, verdict, label, comment) SELECT "
        f"'{submission_id}', 10, '', 'filler ' || i, 'missing', 'filler', repeat('c', 1000) FROM generate_series(1, 1100) i"
    )
    with store._database.reading() as connection:
        process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    database.server.run("prlimit", f"--pid={process}", f"--fsize={2**20}:")
    n, long = len(store.ratings(code)), ConceptRating("missing", label="long", comment="c" * 1000)

    def fill() -> None:
        for _ in range(300):
            store.rate(code, long)

    error = refused(fill)
    assert error.for_readers == BUSY and "File too large" in str(error), "and the server did not end"
    assert len(store.ratings(code)) in (n, n + 1) and database.is_sound()
    assert store.withdraw(code) > 1100


# Crowded


def begun(pool: ThreadPoolExecutor, database: OwnDatabase, act: Callable[[], object]) -> Future:
    """It goes on beside this thread; returns once it waits for what is written here, or is done."""
    future = pool.submit(act)
    while not future.done() and not database.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        pass
    return future


@ON_A_SERVER
def test_a_withdrawal_during_a_rating_takes_that_along(store, database):
    code = receipt(store, 1)
    with ThreadPoolExecutor(1) as pool:
        with store._acting(code) as (connection, submission):
            submissions.add_recording_rating(connection, submission, RecordingRating(useful=4))
            withdrawal = begun(pool, database, lambda: store.withdraw(code))
        assert withdrawal.result() == 2
    assert store.durations_s() == {}


@ON_A_SERVER
def test_what_two_people_are_shown_alike_at_the_same_moment_is_one_result(store, database):
    with ThreadPoolExecutor(1) as pool:
        with store._growing() as connection:
            first = results.add_result(connection, shown())
            second = begun(pool, database, lambda: store.register(shown()))
        assert second.result() == first
    assert list(store.durations_s()) == [first]


@ON_A_SERVER
def test_feedback_on_what_is_being_forgotten_is_refused_in_a_sentence(store, database):
    result_id = store.register(shown())
    database.sql("UPDATE feedback_results SET created_at = '2020-01-01T00:00:00.000+00:00'")
    with ThreadPoolExecutor(1) as pool:
        with store._growing() as connection:
            results.forget_stale(connection)
            late = begun(pool, database, lambda: store.open(result_id))
        assert "isn't known, or was forgotten" in str(refused(late.result))


def test_who_reads_sees_one_state_while_others_write(store):
    code = receipt(store, 1)
    with store._database.reading() as connection:
        before = len(submissions.current(connection, submissions.find(connection, code)))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(store.rate, code, RATING).result()
        assert len(submissions.current(connection, submissions.find(connection, code))) == before == 1
    assert len(store.ratings(code)) == 2


def test_eight_who_open_a_new_database_at_once_make_one(database):
    gate = threading.Barrier(8)

    def open_it(_: int) -> None:
        gate.wait()
        FeedbackStore(database.url).close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_it, range(8)))
    assert database.sql("SELECT version FROM feedback_schema") == [(VERSION,)] and database.is_sound()
