"""Feedback leaves the database whole, harmless and private, and comes back as something to learn from."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import soundfile
from page_fixtures import analysis

from medalign.cli import main
from medalign.core.errors import DataError, FeedbackError, WeightsError
from medalign.feedback.export import FORMATS, export, harmless, push
from medalign.feedback.limits import RateLimit
from medalign.feedback.records import (
    AuditEvent,
    ConceptRating,
    RecordingRating,
    ShownComparison,
    ShownConcept,
    ShownResult,
    StatementRating,
    Vote,
    salted_id,
)
from medalign.feedback.store import FeedbackStore
from medalign.feedback.tables import COLUMNS, FEEDBACK, TABLES
from medalign.training.data.from_feedback import read_recordings, to_manifest, write_training_manifest
from medalign.training.data.manifest import read_manifest

COUGH, ASTHMA = "HP:0012735", "ICD10CM:J45.909"
SECONDS = 8.0
_NUMBERS = itertools.count(1)


def shown(duration_s: float = SECONDS) -> ShownResult:
    """One unlike all others."""
    concepts = (
        ShownConcept(COUGH, "cough", "finding", "present", "both", 1 / 3, 0.1 + 0.2, 0.9),
        ShownConcept(ASTHMA, "asthma", "diagnosis", "family", "teacher_only", 0.7),
        ShownConcept("CUSTOM:cold-chicken", "cold chicken", "finding", "present", "teacher_only", 0.6),
    )
    plain = ShownResult.of(analysis(), is_example=False)
    return replace(plain, concepts=concepts, duration_s=duration_s, n_segments=next(_NUMBERS))


@pytest.fixture
def store(database):
    with FeedbackStore(database.url, limit=RateLimit(10_000)) as opened:
        yield opened


def rated(store: FeedbackStore, *ratings: ConceptRating, keep_span: bool = True) -> str:
    """The identifier of a new result with these ratings."""
    result_id = store.register(shown())
    code = store.open(result_id, role="gp", keep_span=keep_span).code
    for rating in ratings:
        store.rate(code, rating)
    return result_id


@pytest.fixture
def filled(store):
    """A rating, a missing concept with a dangerous comment, a statement, a form, a vote and an event."""
    a = rated(
        store,
        ConceptRating("correct", COUGH, "present", start_s=1, end_s=2, span_text="a dry cough"),
        ConceptRating("missing", label="rash", comment="=cmd|' /C calc'!A0", severity="minor"),
    )
    store.rate_recording(store.open(a).code, RecordingRating(useful=4, comment="naïve, “quoted”\nsecond line"))
    statement = StatementRating("1", True, "not_found", 0.25, "=No cough", None, 1, 2, "I cough")
    store.rate_statement(store.open(a, keep_span=True).code, statement)
    store.vote(store.register_comparison(ShownComparison(a, store.register(shown()), "a", False, 1)), Vote("tie"))
    store.log(AuditEvent("analyze", salted_id("x", b"y"), "ok"))
    return store


def read(path: Path) -> pandas.DataFrame:
    if path.suffix == ".parquet":
        return pandas.read_parquet(path)
    if path.suffix == ".csv":
        return pandas.read_csv(path, dtype={name: column.dtype for name, column in COLUMNS.items()})
    return pandas.DataFrame([json.loads(line) for line in path.read_text("utf-8").splitlines()])


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_stored_comes_back_from_the_file(filled, tmp_path, format):
    written = export(filled, tmp_path / "out", format)
    assert [path.name for path in written] == [f"{name}.{format}" for name in FEEDBACK] + ["README.md"]
    for name in FEEDBACK:
        expected, found = filled.table(name), read(tmp_path / "out" / f"{name}.{format}")
        if format == "csv":
            expected = harmless(expected).replace("", pandas.NA)
        assert tuple(found.columns) == TABLES[name] and len(found) == len(expected) > 0
        for column in TABLES[name]:
            assert list(found[column].isna()) == list(expected[column].isna()), column
            pairs = zip(found[column].dropna(), expected[column].dropna(), strict=True)
            assert all(got == wanted for got, wanted in pairs), column
    scores = read(tmp_path / "out" / f"ratings.{format}")
    assert scores.teacher_probability[0] == 1 / 3 and scores.student_probability[0] == 0.1 + 0.2
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {f".{format}", ".md"}


def test_no_text_in_a_csv_is_a_formula_and_json_has_it_as_written(filled, tmp_path):
    evil = "=cmd|' /C calc'!A0"
    export(filled, tmp_path, "csv")
    export(filled, tmp_path, "jsonl")
    assert list(read(tmp_path / "ratings.csv").comment) [1] == "'" + evil  # fmt: skip
    assert list(read(tmp_path / "ratings.jsonl").comment)[1] == evil
    texts = ["=1", "+1", "-1", "@a", "\t=1", "＝1", "1-1", "a=b", ""]
    safe = harmless(pandas.DataFrame({"comment": pandas.Series(texts, dtype="string"), "score": [-1.0] * len(texts)}))
    assert list(safe.comment) == ["'" + text for text in texts[:6]] + texts[6:] and set(safe.score) == {-1.0}


def test_an_empty_store_exports_empty_tables_of_the_same_types(store, filled, tmp_path):
    with FeedbackStore(str(tmp_path / "empty.sqlite3")) as empty:
        export(empty, tmp_path / "empty", "parquet")
    export(filled, tmp_path / "full", "parquet")
    for name in FEEDBACK:
        none, some = (pandas.read_parquet(tmp_path / folder / f"{name}.parquet") for folder in ("empty", "full"))
        assert len(none) == 0 and dict(none.dtypes) == dict(some.dtypes)


def test_the_card_explains_every_column(filled, tmp_path):
    export(filled, tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert all(f"| {column} | {COLUMNS[column].dtype} | {COLUMNS[column].meaning} |" in card for column in TABLES["ratings"])
    assert "## ratings (2 rows)" in card and "Not a medical device" in card and "events" not in card


def test_what_cannot_be_written_is_one_sentence(filled, tmp_path, monkeypatch):
    with pytest.raises(FeedbackError, match="format 'xlsx' isn't known; use one of jsonl, csv, parquet"):
        export(filled, tmp_path, "xlsx")
    (tmp_path / "taken").touch()
    with pytest.raises(FeedbackError, match="can't write to .*taken"):
        export(filled, tmp_path / "taken")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FeedbackError, match="needs the package pyarrow; run `pip install pyarrow`"):
        export(filled, tmp_path, "parquet")


# To the Hub


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the Hub: what was asked of it, and whether its repository is private."""
    import huggingface_hub
    from huggingface_hub import constants

    asked = SimpleNamespace(private=True, created=[], files=None)

    def create_repo(api, repo_id, *, private, exist_ok, repo_type):
        asked.created.append((repo_id, private, repo_type))

    def upload(api, *, repo_id, folder_path, allow_patterns, commit_message, repo_type):
        asked.files = {name: (Path(folder_path) / name).read_text() for name in allow_patterns}
        return SimpleNamespace(commit_url=f"https://hub/{repo_type}s/{repo_id}/commit/1")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda api, repo_id: asked)
    return asked


def test_feedback_is_pushed_to_a_private_data_set(filled, hub):
    assert push(filled, "ward/feedback") == "https://hub/datasets/ward/feedback/commit/1"
    assert hub.created == [("ward/feedback", True, "dataset")]
    assert set(hub.files) == {*(f"{name}.jsonl" for name in FEEDBACK), "README.md"}
    assert "a dry cough" in hub.files["ratings.jsonl"] and "history" in hub.files["README.md"]


def test_feedback_is_published_only_if_all_agreed(filled, hub):
    with pytest.raises(FeedbackError, match="only if all who gave it agreed"):
        push(filled, "ward/feedback", private=False)
    hub.private = False
    with pytest.raises(WeightsError, match="'ward/feedback' is public"):
        push(filled, "ward/feedback")
    assert hub.files is None
    push(filled, "ward/feedback", private=False, agreed=True)
    assert hub.created[-1] == ("ward/feedback", False, "dataset") and hub.files


# To a training manifest


@pytest.fixture
def record(tmp_path):
    """Writes a recording, and returns its path."""

    def write(name: str, seconds: float = SECONDS, hz: float = 300.0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.2 * np.sin(2 * np.pi * hz * np.arange(int(seconds * 16_000)) / 16_000), 16_000)
        return path

    return write


def test_confirmed_and_missing_concepts_become_rows_that_training_reads(store, record, tmp_path):
    first = rated(
        store,
        ConceptRating("correct", COUGH, "present", start_s=1, end_s=2.5, span_text="this dry cough of mine"),
        ConceptRating("wrong_status", ASTHMA, "family", "present", start_s=2, end_s=4, span_text="asthma, as my mother has"),
        ConceptRating("correct", "CUSTOM:cold-chicken", "present", start_s=5, end_s=6, span_text="cold chicken"),
        ConceptRating("missing", label="short of breath", start_s=6, end_s=7),
    )
    second = rated(store, ConceptRating("correct", COUGH, "present", start_s=0, end_s=1, span_text="..."))
    recordings = {first: record("rec/a.wav"), second: record("rec/b.wav", hz=400)}
    out = tmp_path / "out" / "manifest.csv"
    out.parent.mkdir()
    assert write_training_manifest(store, recordings, out) == 5
    rows = {row.text: row for row in read_manifest(out, shared_texts=True)}
    assert {text: set(row.labels) for text, row in rows.items()} == {
        "this dry cough of mine": {COUGH, ASTHMA},  # they share half a second
        "asthma, as my mother has": {COUGH, ASTHMA},
        "cold chicken": {"cold_chicken"},
        "short of breath": {"HP:0002094"},
        "cough": {COUGH},  # marked words that are none give way to the label
    }
    assert (rows["cough"].start_s, rows["cough"].end_s) == (0, 1) and rows["cough"].path.resolve() == recordings[second]
    assert len({row.split for row in rows.values()}) == 2 and rows["cough"].split != rows["cold chicken"].split
    assert [path.name for path in out.parent.iterdir()] == ["manifest.csv"]


def test_nothing_is_learnt_without_consent_seconds_or_agreement(store, record):
    said = ConceptRating("correct", COUGH, "present", start_s=1, end_s=2, span_text="a cough")
    no_consent, no_place = rated(store, said, keep_span=False), rated(store, replace(said, start_s=None, end_s=None))
    wrong, short = rated(store, replace(said, verdict="wrong")), rated(store, replace(said, end_s=1.05))
    disputed = rated(store, said)
    store.rate(store.open(disputed).code, ConceptRating("wrong", COUGH, "present"))
    good, other = rated(store, said), rated(store, said)
    names = [no_consent, no_place, wrong, short, disputed, good, other]
    recordings = {result_id: record(f"{i}.wav") for i, result_id in enumerate(names)}
    table = to_manifest(store, recordings)
    assert set(table.path) == {recordings[good], recordings[other]} and len(table) == 2
    with pytest.raises(FeedbackError, match="1 of 6 recordings have ratings to learn from, at least 2 are needed"):
        to_manifest(store, {name: recordings[name] for name in names[:-1]})


def test_two_people_who_say_the_same_give_one_row(store, record):
    said = ConceptRating("correct", COUGH, "present", start_s=1, end_s=2, span_text="a cough")
    first, second = rated(store, said), rated(store, said)
    store.rate(store.open(first, keep_span=True).code, said)
    assert len(to_manifest(store, {first: record("a.wav"), second: record("b.wav")})) == 2


def test_a_recording_that_is_not_the_one_rated_is_found_out(store, record, tmp_path):
    said = ConceptRating("correct", COUGH, "present", start_s=1, end_s=2, span_text="a cough")
    first, second = rated(store, said), rated(store, said)
    good = record("a.wav")
    with pytest.raises(FeedbackError, match=r"b.wav lasts 5.0 s, but result .* is of a recording of 8.0 s"):
        to_manifest(store, {first: good, second: record("b.wav", 5.0)})
    with pytest.raises(FeedbackError, match="c.wav of result .* not found"):
        to_manifest(store, {first: good, second: tmp_path / "c.wav"})
    with pytest.raises(FeedbackError, match="1 results are not in this database, the first is nonsense"):
        to_manifest(store, {first: good, "nonsense": good})
    (tmp_path / "copy.wav").write_bytes(good.read_bytes())
    with pytest.raises(DataError, match="its audio is in split"):
        write_training_manifest(store, {first: good, second: tmp_path / "copy.wav"}, tmp_path / "manifest.csv")
    assert not (tmp_path / "manifest.csv").exists()


def test_the_list_of_recordings_is_checked_by_line(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("result_id,path,note\nabc,rec/a.wav,x\n")
    assert read_recordings(path) == {"abc": tmp_path / "rec/a.wav"}
    for text, message in (
        ("result_id\nabc\n", "lacks the column path"),
        ("result_id,path\nabc,\n", "line 2: a result_id and its path are needed"),
        ("result_id,path\nabc,a\nabc,b\n", "line 3: .* each result once"),
    ):
        path.write_text(text)
        with pytest.raises(FeedbackError, match=message):
            read_recordings(path)
    with pytest.raises(FeedbackError, match="none.csv is missing"):
        read_recordings(tmp_path / "none.csv")


# From the command line


def fails(capsys, *arguments: str) -> str:
    assert main(["feedback", *arguments]) == 2
    message = capsys.readouterr().err
    assert message.startswith("medalign: ") and message.count("\n") == 1, message
    return message


def test_the_commands_do_what_the_functions_do(filled, database, record, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MEDALIGN_FEEDBACK", database.url)
    assert main(["feedback", "export", "--out", str(tmp_path / "out"), "--format", "csv"]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "out" / f"{name}.csv") for name in FEEDBACK] + [
        str(tmp_path / "out" / "README.md")
    ]
    assert main(["feedback", "events"]) == 0
    (event,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert event["event"] == "analyze" and event["asr"] is None
    assert main(["feedback", "events", "--out", str(tmp_path / "events.csv")]) == 0
    assert len(read(tmp_path / "events.csv")) == 1
    said = ConceptRating("correct", COUGH, "present", start_s=1, end_s=2, span_text="a cough")
    lines = [f"{rated(filled, said)},{record(name, hz=hz).name}" for name, hz in (("a.wav", 300), ("b.wav", 400))]
    (tmp_path / "map.csv").write_text("\n".join(["result_id,path", *lines]))
    capsys.readouterr()
    out = tmp_path / "manifest.csv"
    assert main(["feedback", "manifest", "--recordings", str(tmp_path / "map.csv"), "--out", str(out)]) == 0
    assert "2 rows" in capsys.readouterr().out and len(read_manifest(out, shared_texts=True)) == 2
    code = filled.open(filled.register(shown())).code
    filled.rate(code, said)
    assert main(["feedback", "withdraw", code]) == 0 and capsys.readouterr().out == "1 ratings and votes are deleted\n"
    assert "withdrawn already" in fails(capsys, "withdraw", code)


def test_bad_input_is_one_line_and_status_two(capsys, tmp_path, database, filled, monkeypatch):
    monkeypatch.delenv("MEDALIGN_FEEDBACK", raising=False)
    monkeypatch.chdir(tmp_path)
    missing = str(tmp_path / "typo.sqlite3")
    for action in (["export", "--out", "x"], ["events"], ["withdraw", "K7QM-3FDA-9XPT"], ["push", "a/b"]):
        assert "typo.sqlite3 not found" in fails(capsys, *action, "--store", missing)
    assert not Path(missing).exists() and "runs/feedback.sqlite3 not found" in fails(capsys, "events")
    good = ["--store", database.url]
    assert "is no receipt code" in fails(capsys, "withdraw", "hello", *good)
    assert "no.csv is missing" in fails(capsys, "manifest", "--recordings", "no.csv", "--out", "m.csv", *good)
    assert "end it with one of .jsonl, .csv, .parquet" in fails(capsys, "events", "--out", "log.txt", *good)
    assert "only if all who gave it agreed" in fails(capsys, "push", "a/b", "--public", *good)
    database.sql("UPDATE feedback_schema SET version = 99")
    assert "use the MedAlign that wrote it" in fails(capsys, "events", *good)
