"""What people say of verdicts on a note's statements: stored, superseded, taken back, and exported to learn from."""

import numpy as np
import pytest
import soundfile
from page_fixtures import analysis

from medalign.core.analysis import Evidence
from medalign.core.errors import FeedbackError
from medalign.core.note_check import NoteStatement
from medalign.feedback.records import ShownResult, StatementRating
from medalign.feedback.schema import VERSION
from medalign.feedback.store import FeedbackStore
from medalign.training.data.from_feedback import to_manifest

SECONDS = 8.0


def statement(verdict: str = "supported", text: str = "Cough for two weeks") -> NoteStatement:
    evidence = (Evidence(1.0, 3.0, "a cough for two weeks"),)
    support = "words" if verdict == "supported" else None
    return NoteStatement(text, "HPC", 0, len(text), verdict, 0.75, evidence, "a reason", support, 0.1, None)


@pytest.fixture
def store(database):
    with FeedbackStore(database.url) as opened:
        yield opened


def opened(store: FeedbackStore, *, keep_span: bool, duration_s: float = SECONDS, n: int = 3) -> str:
    plain = ShownResult.of(analysis(), is_example=False)
    return store.open(store.register(ShownResult(**vars(plain) | {"duration_s": duration_s, "n_segments": n})),
                      keep_span=keep_span).code  # fmt: skip


def test_a_judgement_is_superseded_and_withdrawn_and_words_go_with_the_consent(store):
    code = opened(store, keep_span=True)
    for is_right in (True, False):
        store.rate_statement(code, StatementRating.of(statement(), "1", is_right=is_right))
    store.rate_statement(code, StatementRating.of(statement("not_found", "No fever"), "2", is_right=True))
    table = store.table("statements")
    assert store.judged_statements(code) == {"1": False, "2": True}
    assert list(table.statement) == ["Cough for two weeks", "No fever"] and list(table.borne_out) == [False, False]
    assert list(table.words) == ["a cough for two weeks"] * 2 and list(table.support.fillna("")) == ["words", ""]
    store.amend(code, role=None, keep_span=False)
    assert store.table("statements")[["statement", "words"]].isna().all(axis=None)
    assert store.take_back_statement(code, "1") == 2 and store.judged_statements(code) == {"2": True}
    assert store.take_back_statements(code) == 1 and store.table("statements").empty
    assert not store.holds(code), "what has nothing else goes with them"


def test_without_consent_no_word_of_the_note_is_stored(store, database):
    code = opened(store, keep_span=False)
    store.rate_statement(code, StatementRating.of(statement(), "1", is_right=True))
    rows = database.sql("SELECT * FROM feedback_statement_ratings")
    assert len(rows) == 1 and not any("ough" in str(value) for value in rows[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shown": "fine"}, "shown is 'fine', expected one of: supported"),
        ({"is_right": "yes"}, "expected True or False"),
        ({"statement": "  "}, "no statement"),
        ({"statement": "x" * 601}, "at most 600"),
        ({"start_s": 3.0, "end_s": 1.0}, "must lie before"),
        ({"support": "rumour"}, "expected one of: words"),
        ({"subject": ""}, "expected an identifier"),
        ({"end_s": 99.0}, "after the end of the recording"),
    ],
)
def test_what_is_forged_is_refused(store, change, message):
    values = vars(StatementRating.of(statement(), "1", is_right=True)) | change
    with pytest.raises(FeedbackError, match=message):
        store.rate_statement(opened(store, keep_span=True), StatementRating(**values))


def test_what_is_borne_out_is_a_training_pair(store, tmp_path):
    recordings = {}
    for n, name in enumerate(("a.wav", "b.wav")):
        soundfile.write(tmp_path / name, np.random.default_rng(n).uniform(-0.5, 0.5, int(SECONDS * 16_000)), 16_000)
        code = opened(store, keep_span=True, n=n + 1)
        store.rate_statement(code, StatementRating.of(statement(text=f"Cough for {n + 2} weeks"), "1", is_right=True))
        store.rate_statement(code, StatementRating.of(statement(text="Takes aspirin"), "2", is_right=False))
        store.rate_statement(code, StatementRating.of(statement("contradicted", "No fever"), "3", is_right=True))
        recordings[store.table("statements").result_id.iloc[-1]] = tmp_path / name
    rows = to_manifest(store, recordings)
    assert sorted(rows.text) == ["Cough for 2 weeks", "Cough for 3 weeks"] and set(rows.start_s) == {1.0}


def test_a_database_that_only_lacks_the_table_gets_it(store, database):
    code = opened(store, keep_span=True)
    store.close()
    database.sql("DROP TABLE feedback_statement_ratings")
    database.sql("UPDATE feedback_schema SET version = 4")
    with FeedbackStore(database.url) as again:
        again.rate_statement(code, StatementRating.of(statement(), "1", is_right=True))
        assert len(again.table("statements")) == 1
    assert database.sql("SELECT version FROM feedback_schema") == [(VERSION,)]
