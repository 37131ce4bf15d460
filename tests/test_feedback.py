"""Feedback is kept whole, is checked against what was shown, and can be taken back to the last byte."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas
import pytest
from databases import OwnDatabase
from page_fixtures import analysis

from medalign.core.analysis import ModelInfo
from medalign.core.errors import FeedbackError
from medalign.feedback.agreement import between_raters
from medalign.feedback.limits import RateLimit
from medalign.feedback.receipts import ALPHABET
from medalign.feedback.records import AuditEvent, ConceptRating, RecordingRating, ShownComparison, ShownResult, Vote, salted_id
from medalign.feedback.schema import VERSION
from medalign.feedback.store import FeedbackStore
from medalign.feedback.tables import COLUMNS, TABLES

COUGH, DYSPNEA, WHEEZE = "HPO:HP:0012735", "HPO:HP:0002094", "HPO:HP:0030828"
SESSION = salted_id("a session", b"salt")


IN_A_FILE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def store(database):
    with FeedbackStore(database.url, limit=RateLimit(10_000)) as opened:
        yield opened


def shown(**changes) -> ShownResult:
    return replace(ShownResult.of(analysis(), is_example=False), **changes)


def receipt(store: FeedbackStore, **options) -> str:
    return store.open(store.register(shown()), **options).code


def comparison(store: FeedbackStore) -> str:
    a, b = store.register(shown(n_segments=98)), store.register(shown(n_segments=99))
    return store.register_comparison(ShownComparison(a, b, "b", True, 7))


# What is kept


def test_what_two_people_were_shown_alike_is_one_result(store):
    first, same = store.register(shown()), store.register(shown())
    assert first == same and len(store.table("shown")) == 0
    first_row = shown().concepts[0]
    others = (
        shown(concepts=(replace(first_row, probability=0.123), *shown().concepts[1:])),
        shown(concepts=shown().concepts[1:]),
        shown(duration_s=shown().duration_s + 0.001),
        shown(is_edited=True),
    )
    assert len({first, *(store.register(other) for other in others)}) == 5, "whatever differs is another result"
    for verdict in ("correct", "wrong"):
        store.rate(store.open(first).code, ConceptRating(verdict, COUGH, "present"))
    raters = between_raters(store.table("ratings"))
    assert (raters.n_rows, raters.n_pairs, raters.share) == (1, 1, 0.0)


def test_a_result_is_kept_as_displayed_and_without_its_words():
    full = analysis()
    kept = ShownResult.of(full, is_example=True)
    assert [(row.concept_id, row.status) for row in kept.concepts] == [(row.concept_id, row.status) for row in full.concepts]
    cough, *_, hip = kept.concepts
    assert (cough.teacher_probability, cough.student_probability, cough.agreement) == (0.96, 0.83, "both")
    assert hip.teacher_probability is None and hip.student_probability == 0.13
    assert kept.n_segments == 7 and kept.duration_s == 48 and kept.is_example and not kept.is_edited
    told = repr(kept)
    assert "consultation.wav" not in told and "keeps me awake" not in told and "two years ago" not in told


def test_a_changed_transcript_and_models_in_folders_are_told_without_their_place():
    full = analysis()
    first, *others = full.transcript.segments
    changed = replace(full.transcript, segments=(replace(first, original_text="Good mourning"), *others))
    models = replace(full.models, student=ModelInfo("/home/dr-who/ward 3/student-v2", "0718"), asr=ModelInfo("a/b", "1"))
    kept = ShownResult.of(replace(full, transcript=changed, models=models), is_example=False)
    assert kept.is_edited and kept.models.student.name == "student-v2" and kept.models.asr.name == "a/b"


def test_a_rating_comes_back_with_the_scores_models_and_place_it_was_about(store):
    code = receipt(store, role="gp")
    store.rate(code, ConceptRating("wrong_status", DYSPNEA, "negated", "present", severity="critical", comment="  she had it "))
    (row,) = store.table("ratings").to_dict("records")
    told = {name: row[name] for name in ("label", "category", "status", "agreement", "verdict", "right_status", "severity")}
    assert told == {
        "label": "Dyspnea", "category": "finding", "status": "negated", "agreement": "both",
        "verdict": "wrong_status", "right_status": "present", "severity": "critical",
    }  # fmt: skip
    assert (row["teacher_probability"], row["student_probability"], row["position"]) == (0.93, 0.61, 2)
    assert (row["asr"], row["asr_revision"], row["student_revision"]) == ("tiny.en", "a1b2c3d4", "0718")
    assert (row["role"], row["comment"], row["schema_version"]) == ("gp", "she had it", VERSION)
    assert row["created_at"].endswith("+00:00")


def test_scores_are_kept_to_the_last_digit(store):
    exact = replace(shown().concepts[0], probability=0.1 + 0.2, teacher_probability=1 / 3)
    code = store.open(store.register(shown(concepts=(exact,)))).code
    store.rate(code, ConceptRating("correct", COUGH, "present"))
    (row,) = store.table("ratings").itertuples()
    assert row.probability == 0.1 + 0.2 and row.teacher_probability == 1 / 3
    assert row.span_text is pandas.NA


def test_words_of_the_recording_are_kept_only_with_consent(store, database):
    said = ConceptRating("correct", COUGH, "present", start_s=6, end_s=7, span_text="quite a nasty cough")
    store.rate(receipt(store), said)
    asked = receipt(store, keep_span=True)
    store.rate(asked, said)
    assert list(store.table("ratings").span_text.fillna("")) == ["", said.span_text]
    store.amend(asked, role="nurse", keep_span=False)
    assert store.ratings(asked) == (replace(said, span_text=None),) and set(store.table("ratings").role.dropna()) == {"nurse"}
    assert database.traces("quite a nasty cough") == 0


def test_no_column_could_hold_audio_a_file_an_address_or_a_person(store, database):
    tables = [columns for name, (columns, _) in database.layout().items() if name.startswith("feedback_")]
    columns = [(name, kind.split("(")[0].split()[0]) for table in tables for name, kind, _ in table]
    assert len(columns) > 60
    assert {kind for _, kind in columns} <= {"VARCHAR", "TEXT", "INTEGER", "BIGINT", "BOOLEAN", "DOUBLE"}
    parts = {part for name, _ in columns for part in name.split("_")}
    assert not parts & {"audio", "file", "filename", "path", "ip", "address", "user", "name", "email", "session", "waveform"}


def test_tables_have_their_documented_columns_even_when_empty(store):
    for name, columns in TABLES.items():
        assert tuple(store.table(name).columns) == columns
    assert all(COLUMNS[column].meaning for columns in TABLES.values() for column in columns)
    assert {column: COLUMNS[column].dtype for column in ("position", "rating_id", "blind", "label", "end_s")} == {
        "position": "Int64", "rating_id": "int64", "blind": "bool", "label": "string", "end_s": "Float64",
    }  # fmt: skip


# What is refused


REFUSED = [
    (lambda: ConceptRating("splendid", COUGH, "present"), "verdict is 'splendid', expected one of: correct, wrong"),
    (lambda: ConceptRating("correct", COUGH, "maybe"), "status is 'maybe', expected one of: present"),
    (lambda: ConceptRating("correct", COUGH, "present", severity="awful"), "severity is 'awful'"),
    (lambda: ConceptRating("correct", COUGH, "present", severity="major"), "this row is correct"),
    (lambda: ConceptRating("correct", COUGH, "present", comment="x" * 1001), "1001 characters, at most 1000"),
    (lambda: ConceptRating("correct", COUGH, "present", span_text="x" * 301), "301 characters, at most 300"),
    (lambda: ConceptRating("missing", label="x" * 121), "121 characters, at most 120"),
    (lambda: ConceptRating("missing"), "a missing concept needs a name"),
    (lambda: ConceptRating("missing", label="rash", status="present"), "has no row"),
    (lambda: ConceptRating("correct"), "give its concept_id"),
    (lambda: ConceptRating("correct", COUGH, "present", label="cold"), "label is for missing concepts"),
    (lambda: ConceptRating("wrong", COUGH, "present", "negated"), "right_status goes with"),
    (lambda: ConceptRating("wrong_status", COUGH, "present", "present"), "as the row says already"),
    (lambda: ConceptRating("wrong_status", WHEEZE), "only heard has no status"),
    (lambda: ConceptRating("wrong", COUGH, "present", start_s=3, end_s=2), "must lie before end_s"),
    (lambda: ConceptRating("wrong", COUGH, "present", start_s=-1, end_s=2), "not below 0"),
    (lambda: ConceptRating("wrong", COUGH, "present", start_s=1), "end_s is None, expected seconds"),
    (lambda: ConceptRating("wrong", COUGH, "present", start_s="1", end_s=2), "start_s is '1'"),
    (lambda: ConceptRating("wrong", COUGH, "present", start_s=0, end_s=float("nan")), "end_s is nan"),
    (lambda: ConceptRating("wrong", ["HP:1"], "present"), "concept_id is .'HP:1'., expected an identifier"),
    (lambda: ConceptRating("wrong", COUGH, "present", comment={"a": 1}), "comment is .'a': 1., expected text"),
    (lambda: ConceptRating("wrong", COUGH, "present", comment="\ud800"), "no Unicode text"),
    (lambda: RecordingRating(), "nothing is rated yet"),
    (lambda: RecordingRating(useful=6), "useful is 6, expected a whole number from 1 to 5"),
    (lambda: RecordingRating(useful=True), "useful is True"),
    (lambda: Vote("c"), "choice is 'c', expected one of: a, b, tie, both_bad"),
    (lambda: ShownComparison("a", "a", "a", True, 1), "can't be compared with itself"),
    (lambda: ShownComparison("a", "b", "left", True, 1), "left is 'left'"),
    (lambda: AuditEvent("analyze", "10.0.0.7", "ok"), "no salted identifier"),
    (lambda: AuditEvent("Mrs Smith", SESSION, "ok"), "event is 'Mrs Smith'"),
    (lambda: AuditEvent("analyze", SESSION, "she said no"), "outcome is 'she said no'"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_contradicts_itself_or_the_bounds_is_refused_with_a_sentence(make, message):
    with pytest.raises(FeedbackError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_control_characters_become_blanks_and_lines_stay():
    assert RecordingRating(comment="one\r\ntwo\x00three\x0b ").comment == "one\ntwo three"


def test_what_does_not_belong_to_the_result_is_refused(store):
    code = receipt(store)
    for rating, message in (
        (
            ConceptRating("correct", COUGH, "negated"),
            "no row 'HPO:HP:0012735' with status negated; its statuses there: present",
        ),
        (ConceptRating("correct", COUGH), "with status None"),
        (ConceptRating("wrong", "HPO:HP:9999999", "present"), "its statuses there: none"),
        (ConceptRating("wrong", COUGH, "present", start_s=40, end_s=49), "after the end of the recording, 48 s"),
        (ConceptRating("missing", "HP:9999999"), "neither shown nor in the bank"),
    ):
        with pytest.raises(FeedbackError, match=message):
            store.rate(code, rating)
    assert store.ratings(code) == ()
    with pytest.raises(FeedbackError, match="isn't known, or was forgotten"):
        store.open("0" * 32)
    with pytest.raises(FeedbackError, match="result_id is None"):
        store.open(None)
    with pytest.raises(FeedbackError, match="role is 'king', expected one of: gp"):
        receipt(store, role="king")


def test_a_forged_receipt_opens_nothing(store):
    code = receipt(store)
    other = code[:-1] + next(c for c in ALPHABET if c != code[-1])
    for action in (
        store.ratings,
        store.undo,
        store.withdraw,
        lambda c: store.rate(c, ConceptRating("wrong", COUGH, "present")),
    ):
        with pytest.raises(FeedbackError, match="no feedback under this receipt code"):
            action(other)
        with pytest.raises(FeedbackError, match="is no receipt code; one looks like K7QM-3FDA-9XPT"):
            action("' OR 1=1 --")
        with pytest.raises(FeedbackError, match="is no receipt code"):
            action(None)
    assert store.ratings(f" {code.lower().replace('-', ' ')} ") == ()


def test_the_code_is_not_in_the_database_nor_in_a_log(store, database):
    opened = store.open(store.register(shown()))
    store.rate(opened.code, ConceptRating("correct", COUGH, "present"))
    assert opened.code not in repr(opened) and len(opened.code) == 14
    assert database.traces(opened.code) == database.traces(opened.code.replace("-", "")) == 0


def test_a_receipt_may_act_so_often_and_then_waits(database):
    at = [0.0]
    with FeedbackStore(database.url, limit=RateLimit(5, 60, clock=lambda: at[0])) as store:
        code = receipt(store)
        rating = ConceptRating("correct", COUGH, "present")
        for _ in range(5):
            store.rate(code, rating)
        at[0] = 20.5
        with pytest.raises(FeedbackError, match="wait 40 s"):
            store.rate(code, rating)
        store.rate(receipt(store), rating)  # somebody else
        at[0] = 60.5
        store.rate(code, rating)
        assert store.withdraw(code) == 6


# Changing one's mind


def test_a_newer_rating_supersedes_and_undo_brings_the_older_back(store):
    code = receipt(store)
    first, second = ConceptRating("wrong", COUGH, "present"), ConceptRating("correct", COUGH, "present", comment="after all")
    form, better = RecordingRating(useful=2), RecordingRating(useful=4, transcript=3)
    for rating in (first, second):
        store.rate(code, rating)
    store.rate_recording(code, form)
    store.rate(code, ConceptRating("correct", DYSPNEA, "negated"))
    store.rate_recording(code, better)
    assert store.ratings(code) == (second, ConceptRating("correct", DYSPNEA, "negated"), better)
    assert list(store.table("ratings").verdict) == ["correct", "correct"] and list(store.table("recordings").useful) == [4]
    assert store.undo(code) == better and store.ratings(code)[1] == form
    assert store.undo(code).concept_id == DYSPNEA
    assert store.undo(code) == form
    assert store.undo(code) == second
    assert store.ratings(code) == (first,) and list(store.table("ratings").verdict) == ["wrong"]
    assert store.undo(code) == first and store.undo(code) is None and store.ratings(code) == ()


def test_people_do_not_supersede_each_other(store):
    result_id = store.register(shown())
    for verdict in ("correct", "wrong"):
        store.rate(store.open(result_id).code, ConceptRating(verdict, COUGH, "present"))
    assert list(store.table("ratings").verdict) == ["correct", "wrong"]


def test_a_missing_concept_may_be_missing_at_two_places_and_gets_its_label_from_the_bank(store):
    code = receipt(store)
    known = ConceptRating("missing", "HP:0002315", start_s=1, end_s=2, right_status="negated")
    for rating in (
        known,
        ConceptRating("missing", "HP:0002315", start_s=5, end_s=6),
        ConceptRating("missing", label="odd gait"),
    ):
        store.rate(code, rating)
    store.rate(code, ConceptRating("missing", label="Odd gait", severity="minor"))  # the same, said again
    table = store.table("ratings")
    assert list(table.label) == ["headache", "headache", "Odd gait"] and set(table.position.isna()) == {True}
    assert store.ratings(code)[0] == replace(known, label="headache")


def test_withdrawing_leaves_no_byte_of_what_was_written(store, database):
    codes, n = [], 60 if database.path else 9  # enough for SQLite to move rows between pages
    for i in range(n):
        code = receipt(store, keep_span=True)
        for k in range(1, 4):
            words = f"person{i:03d}said" * k * (20 if i % 7 == 0 else 1)
            store.rate(
                code, ConceptRating("wrong", COUGH, "present", comment=words[:1000], start_s=k, end_s=9, span_text=words[:299])
            )
            store.rate(code, ConceptRating("missing", label=words[:100]))
        store.undo(code)
        codes.append(code)
    assert database.traces("person007said") > 0
    for i in range(0, n, 3):
        assert store.withdraw(codes[i]) == 5
        assert database.traces(f"person{i:03d}said") == 0
    assert database.traces("person001said") > 0 and store.table("ratings").submission_id.nunique() == n * 2 // 3
    with pytest.raises(FeedbackError, match="withdrawn already"):
        store.withdraw(codes[0])


def test_withdrawing_takes_what_was_shown_along_unless_somebody_else_rated_it(store):
    result_id = store.register(shown())
    mine, theirs = store.open(result_id).code, store.open(result_id).code
    for code in (mine, theirs):
        store.rate(code, ConceptRating("wrong", COUGH, "present"))
    store.withdraw(mine)
    assert len(store.table("ratings")) == 1 and len(store.table("shown")) == 8
    store.withdraw(theirs)
    assert store.durations_s() == {} and len(store.table("shown")) == 0


@IN_A_FILE
def test_a_withdrawal_that_was_cut_short_is_finished_by_whoever_opens_next(store, database, monkeypatch):
    code = receipt(store)
    store.rate(code, ConceptRating("wrong", COUGH, "present", comment="please forget this"))
    monkeypatch.setattr("medalign.feedback.database.Database._rewrite", lambda self: None)  # as if killed right after
    store.withdraw(code)
    monkeypatch.undo()
    assert database.traces("please forget this") > 0  # the log still has it
    with FeedbackStore(database.url):
        assert database.traces("please forget this") == 0


def test_withdrawing_a_vote_takes_the_comparison_and_its_results_along(store):
    opened = store.vote(comparison(store), Vote("a"))
    kept = store.vote(comparison(store), Vote("b"))
    assert store.withdraw(opened.code) == 1 and len(store.durations_s()) == 2
    assert store.withdraw(kept.code) == 1 and store.durations_s() == {}


def test_what_nobody_rated_is_forgotten_after_a_day(store, database):
    old, rated, voted = store.register(shown(n_segments=1)), store.register(shown(n_segments=2)), comparison(store)
    stale = comparison(store)
    store.open(rated)
    store.vote(voted, Vote("tie"))
    for table in ("feedback_results", "feedback_comparisons"):
        database.sql(f"UPDATE {table} SET created_at = '2020-01-01T00:00:00.000+00:00'")
    new = store.register(shown())
    left = store.durations_s()
    assert old not in left and {rated, new} < set(left) and len(left) == 4
    with pytest.raises(FeedbackError, match="isn't known, or was forgotten"):
        store.vote(stale, Vote("a"))


# Comparing


def test_a_vote_is_kept_with_the_order_shown_and_counts_once(store):
    comparison_id = comparison(store)
    opened = store.vote(comparison_id, Vote("a", "finds more"), role="researcher")
    (row,) = store.table("votes").itertuples()
    assert (row.choice, row.left, row.blind, row.seed, row.comment, row.role) == ("a", "b", True, 7, "finds more", "researcher")
    assert row.model_a == row.model_b == "tiny.en a1b2c3d4 | all-MiniLM-L6-v2 e5f6 | default 0718"
    for code in (opened.code, None, receipt(store)):
        with pytest.raises(FeedbackError, match="has its vote already"):
            store.vote(comparison_id, Vote("b"), code=code)
    with pytest.raises(FeedbackError, match="comparison 'forged' isn't known"):
        store.vote("forged", Vote("a"))
    with pytest.raises(FeedbackError, match="isn't known"):
        store.register_comparison(ShownComparison("forged", row.result_a, "a", True, 1))
    with pytest.raises(FeedbackError, match="receipt is that of a vote"):
        store.rate(opened.code, ConceptRating("correct", COUGH, "present"))
    assert store.undo(opened.code) is None
    assert store.withdraw(opened.code) == 1 and len(store.table("votes")) == 0 and store.table("votes").blind.dtype == bool


def test_a_vote_may_stand_under_the_receipt_of_ratings_and_goes_with_it(store):
    code = receipt(store)
    store.rate(code, ConceptRating("correct", COUGH, "present"))
    assert store.vote(comparison(store), Vote("both_bad"), code=code).code == code
    assert store.withdraw(code) == 2 and len(store.table("votes")) == len(store.table("ratings")) == 0


def test_one_code_stands_over_several_results_and_nobody_without_it_can_tell(store, database):
    rating, code = ConceptRating("correct", COUGH, "present"), receipt(store)
    others = [store.open(store.register(shown(n_segments=n)), code=code).code for n in (2, 3)]
    for address in (code, *others):
        store.rate(address, rating)
    assert store.vote(comparison(store), Vote("tie"), code=code).code == code
    assert [len(store.ratings(address)) for address in (code, *others)] == [1, 1, 1]
    assert store.table("ratings").submission_id.nunique() == 3 and database.traces(code) == 0
    assert store.holds(code.lower()) and store.withdraw(code) == 4 and not store.holds(code)
    assert store.table("ratings").empty and store.table("votes").empty and store.durations_s() == {}
    for forged in (f"{code}/2", f"{code}/1", f"{code}/x"):
        with pytest.raises(FeedbackError):
            store.ratings(forged)


def test_ratings_may_stand_under_the_receipt_of_a_vote_and_votes_go_alone(store):
    code = store.vote(comparison(store), Vote("a")).code
    assert store.open(store.register(shown()), code=code, role="gp").code == code
    store.rate(code, ConceptRating("correct", COUGH, "present"))
    assert store.take_back_votes(code) == 1 and store.table("votes").empty
    assert store.table("ratings")["role"].tolist() == ["gp"] and store.withdraw(code) == 1
    alone = store.vote(comparison(store), Vote("a")).code
    assert store.take_back_votes(alone) == 1
    with pytest.raises(FeedbackError, match="no feedback under this receipt"):
        store.take_back_votes(alone)


# The audit log


def test_the_audit_log_says_what_happened_without_saying_to_whom(database):
    with FeedbackStore(database.url, n_events=3) as store:
        for event in ("analyze", "rate", "vote", "withdraw"):
            store.log(AuditEvent(event, SESSION, "ok", analysis().models, duration_s=48.0))
        table = store.table("events")
    assert list(table.event) == ["rate", "vote", "withdraw"] and list(table.asr) == ["tiny.en"] * 3
    assert len(SESSION) == 16 and SESSION != salted_id("a session", b"other salt") != salted_id("another", b"other salt")


# Several at once, and the end of a process


WRITER = """
import sys
from medalign.feedback.limits import RateLimit
from medalign.feedback.records import ConceptRating
from medalign.feedback.store import FeedbackStore
store = FeedbackStore(sys.argv[1], limit=RateLimit(10**6))
print("ready", flush=True)
sys.stdin.readline()
for i in range(int(sys.argv[3])):
    store.rate(sys.argv[2], ConceptRating("missing", label=f"{sys.argv[4]} {i}", comment="c" * 200))
    print(i, flush=True)
"""


def writer(database: OwnDatabase, code: str, n: int, name: str) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, database.url, code, str(n), name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_fifty_votes_and_ratings_from_eight_threads_are_fifty_records(store, database):
    comparisons = [comparison(store) for _ in range(25)]
    code = receipt(store)

    def act(i: int) -> None:
        if i % 2:
            store.rate(code, ConceptRating("missing", label=f"thing {i}"))
        else:
            store.vote(comparisons[i // 2], Vote("a"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(50)))
    assert len(store.table("votes")) == 25 and store.table("votes").comparison_id.nunique() == 25
    assert sorted(store.table("ratings").label) == sorted(f"thing {i}" for i in range(1, 50, 2)) and database.is_sound()


def test_of_eight_votes_at_once_on_one_comparison_one_counts(store):
    comparison_id, gate = comparison(store), threading.Barrier(8)

    def vote(i: int) -> bool:
        gate.wait()
        try:
            return bool(store.vote(comparison_id, Vote("a", str(i))))
        except FeedbackError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(vote, range(8))) == 1
    assert len(store.table("votes")) == 1


def test_of_two_processes_that_write_at_once_nothing_is_lost_although_one_is_killed(store, database):
    code = receipt(store)
    with writer(database, code, 25, "left") as left, writer(database, code, 100_000, "right") as right:
        assert [process.stdout.readline() for process in (left, right)] == ["ready\n"] * 2
        for process in (left, right):
            process.stdin.write("go\n")
            process.stdin.flush()
        stored = [int(right.stdout.readline()) for _ in range(40)]
        os.kill(right.pid, signal.SIGKILL)
        assert left.stdout.read().split() == [str(i) for i in range(25)]
    assert (left.returncode, right.returncode, stored) == (0, -signal.SIGKILL, list(range(40)))
    assert database.is_sound()
    with FeedbackStore(database.url) as again:
        table = again.table("ratings")
        n = len(table) - 25
        assert n >= 40 and set(table.comment.str.len()) == {200}
        assert set(table.label) == {f"left {i}" for i in range(25)} | {f"right {i}" for i in range(n)}
        again.rate(code, ConceptRating("correct", COUGH, "present"))


# The database itself


@pytest.mark.parametrize("version", [1, 99])
def test_a_database_of_another_version_is_refused_and_left_alone(store, database, version):
    database.sql(f"UPDATE feedback_schema SET version = {version}")
    before = database.layout()
    with pytest.raises(FeedbackError, match=f"has version {version} of the feedback tables, this MedAlign knows {VERSION}"):
        FeedbackStore(database.url)
    assert database.layout() == before


def test_a_database_of_something_else_holds_no_feedback_and_is_left_alone(database):
    if database.path:
        database.path.parent.mkdir()
    database.sql("CREATE TABLE patients (a INTEGER)")
    with pytest.raises(FeedbackError, match="holds no feedback"):
        FeedbackStore(database.url, create=False)
    assert database.layout() == {"patients": ([("a", "INTEGER", True)], [])}


def test_what_is_no_feedback_database_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as if it were not installed
    text = tmp_path / "notes.txt"
    text.write_text("this is a text and no database at all, " * 50)
    for where, message in (
        (str(tmp_path / "none.sqlite3"), "none.sqlite3 not found"),
        (str(text), "file is not a database"),
        ("sqlite://", "feedback in memory would be lost"),
        (":memory:", "feedback in memory would be lost"),
        ("nosuch://host/db", "knows no such database"),
        ("nosuch://host", "^nosuch database: SQLAlchemy"),
        ("oracle+cx_oracle://me:secret@host/db", "needs the package cx_Oracle"),
        ("postgresql+psycopg://me:secret@host/db", r"run `pip install 'psycopg\[binary\]'`"),
        ("://", "no database URL"),
    ):
        with pytest.raises(FeedbackError, match=message) as caught:
            FeedbackStore(where, create=False)
        assert "\n" not in str(caught.value) and "secret" not in str(caught.value)
    assert not (tmp_path / "none.sqlite3").exists()


@pytest.mark.parametrize("create", [True, False])
def test_a_folder_that_may_not_be_entered_is_one_sentence(closed_folder, create):
    with pytest.raises(FeedbackError, match=r"a.sqlite3 can't be opened \(Permission denied\); choose another place"):
        FeedbackStore(str(closed_folder / "a.sqlite3"), create=create)


@IN_A_FILE
def test_the_file_is_for_its_owner_alone(store, database):
    assert {file.stat().st_mode & 0o077 for file in database.path.parent.iterdir()} == {0}
