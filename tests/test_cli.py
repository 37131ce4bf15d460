"""The command line: 0 with an answer, 2 with one line on stderr, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from medalign.cli import main
from medalign.core.analysis import SCHEMA_VERSION
from medalign.core.audio import Recording


def fails(capsys, *arguments: str) -> str:
    """The one line on stderr of a command that must exit with 2."""
    assert main(list(arguments)) == 2
    message = capsys.readouterr().err
    assert message.startswith("medalign: ") and message.count("\n") == 1, message
    return message


def in_a_process_of_its_own(*arguments: str) -> subprocess.CompletedProcess:
    """The command, which must exit with 0. The other commands are called in this process, with its models."""
    command = [sys.executable, "-m", "medalign", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    return done


def assert_is_the_contract(path: Path, printed: str) -> None:
    body = json.loads(path.read_text())
    assert body["schema_version"] == SCHEMA_VERSION and body["concepts"] and body["transcript"]["segments"]
    assert "Not a medical device" in printed
    table = printed.partition("found in")[2]  # under its heading, the columns below each other
    assert "chest pain" in table and "text and sound" in table


def test_analyze_writes_the_contract_and_exits_with_zero(tmp_path, models_at_hand, examples, capsys):
    out = tmp_path / "out.json"
    assert main(["analyze", str(examples["chest-pain"].audio_path), "--json", str(out)]) == 0
    assert_is_the_contract(out, capsys.readouterr().out)


@pytest.mark.slow
def test_analyze_loads_its_models(tmp_path, cut):
    out = tmp_path / "out.json"
    done = in_a_process_of_its_own("analyze", str(cut("chest-pain", 0.0, 8.6)), "--json", str(out))
    assert_is_the_contract(out, done.stdout)
    assert done.stderr.count(" ...\n") > 1, "minutes are not silent"


@pytest.mark.parametrize("hits", ["0", "-3", "two"])
def test_search_gives_at_least_one_place(capsys, hits):
    with pytest.raises(SystemExit, match="2"):
        main(["search", "consultation.wav", "a cough", "--hits", hits])
    assert "no whole number from 1 on" in capsys.readouterr().err


def test_transcribe_prints_what_is_said(cut):
    assert "ear" in in_a_process_of_its_own("transcribe", str(cut("child-with-earache", 5.0, 15.3))).stdout.lower()


def test_own_concepts_come_from_a_csv(capsys, tmp_path, models_at_hand, cut):
    own, audio = tmp_path / "own.csv", str(cut("upset-stomach", 26.0, 41.2))
    own.write_text("label,synonyms\ncold chicken,chicken gone cold\n,nothing\n")
    assert main(["analyze", audio, "--concepts", str(own), "--json", "-"]) == 0
    told = capsys.readouterr()
    (row,) = [row for row in json.loads(told.out)["concepts"] if row["label"] == "cold chicken"]
    assert told.err.count(" ...\n") > 1, "minutes are not silent"
    assert row["concept_id"] == "CUSTOM:cold-chicken" and row["teacher"]["evidence"]
    assert "line 3: the label is empty" in told.err, "one bad line stops no analysis"
    assert "none.csv is missing" in fails(capsys, "analyze", audio, "--concepts", str(tmp_path / "none.csv"))


def test_preview_and_search_need_no_transcript(capsys, models_at_hand, examples, monkeypatch):
    monkeypatch.setattr("medalign.models.transcription.load_transcriber", None)
    monkeypatch.setattr("medalign.pipeline.analyzer.Analyzer.default", None)
    audio = str(examples["upset-stomach"].audio_path)
    assert main(["preview", audio, "--json", "-"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert "abdominal pain" in {row["label"] for row in rows} and all(row["teacher"] is None for row in rows)
    assert main(["search", audio, "allergic to penicillin", "--hits", "2"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "may be said here" in first and "probably not said here" in second
    assert main(["search", audio, "the tax return of a racing driver"]) == 0
    assert all("probably not said here" in line for line in capsys.readouterr().out.splitlines())
    assert "can't be searched for" in fails(capsys, "search", audio, " ")


@pytest.mark.parametrize("command", [["analyze"], ["transcribe"], ["preview"], ["search", "cough"]])
def test_bad_audio_is_one_line_and_status_two(capsys, tmp_path, command):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("hello")
    name, *rest = command
    assert "is empty" in fails(capsys, name, str(tmp_path / "empty.wav"), *rest)
    assert "can't be read as audio" in fails(capsys, name, str(tmp_path / "text.wav"), *rest)
    assert "does not exist" in fails(capsys, name, str(tmp_path / "missing.wav"), *rest)
    assert "is not a file" in fails(capsys, name, str(tmp_path), *rest)


def test_unknown_models_and_wrong_checkpoints_are_one_line_and_status_two(capsys, tmp_path, examples):
    audio = str(examples["chest-pain"].audio_path)
    assert "use one of base, tiny.en" in fails(capsys, "analyze", audio, "--asr", "tyni.en")
    assert "neither a folder nor a known name" in fails(capsys, "analyze", audio, "--teacher", "no-such-teacher")
    assert "use one of default, unaligned" in fails(capsys, "analyze", audio, "--student", "no-such-student")
    assert "could not be fetched from the Hub" in fails(capsys, "analyze", audio, "--asr", "nobody/nothing")
    assert "holds none of" in fails(capsys, "analyze", audio, "--student", str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"wrong")
    (tmp_path / "config.json").write_text("{}")
    assert "is not the JSON that is expected" in fails(capsys, "analyze", audio, "--student", str(tmp_path))
    assert "unknown device" in fails(capsys, "transcribe", audio, "--device", "toaster")


@pytest.mark.parametrize("option", ["--student", "--teacher", "--asr"])
@pytest.mark.parametrize(
    ("file", "content"),
    [("config.json", b"[]"), ("config.json", b'{"hop_s": 0}'), ("model.safetensors", b"x" * 99), ("model.bin", b"x" * 99)],
)
def test_malformed_model_files_are_one_line_and_status_two(capsys, tmp_path, examples, option, file, content):
    needed = "model.bin" if option == "--asr" else "model.safetensors"
    for name in ("config.json", needed):
        (tmp_path / name).write_bytes(b"{}")
    (tmp_path / file).write_bytes(content)
    assert "Traceback" not in fails(capsys, "analyze", str(examples["chest-pain"].audio_path), option, str(tmp_path))


def test_an_output_that_cannot_be_written_is_found_out_before_the_work(capsys, examples):
    audio = str(examples["chest-pain"].audio_path)
    assert "does not exist; create it first" in fails(capsys, "analyze", audio, "--json", "/nowhere/at/all/out.json")


def test_training_data_that_are_missing_are_one_line(capsys, tmp_path):
    gone = str(tmp_path / "gone.csv")
    assert gone + " is missing" in fails(capsys, "train", gone, "--out", str(tmp_path / "out"))
    assert "holds none of primock57" in fails(capsys, "synthesize", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert "no spoken consultation" in fails(capsys, "calibrate", "--speech", str(tmp_path))
    assert "no training.json" in fails(capsys, "card", str(tmp_path))


@pytest.mark.parametrize("command", [["preview"], ["search", "cough"], ["transcribe"], ["compare", "--b", "shipped with base"]])
def test_where_json_cannot_be_written_every_command_says_so_before_the_work(capsys, command, monkeypatch):
    """One door: no command checks by itself where its JSON goes."""
    monkeypatch.setattr("medalign.core.audio.load_recording", None)  # would fail, if it came to that
    name, *rest = command
    assert "does not exist; create it first" in fails(capsys, name, "a.wav", *rest, "--json", "/nowhere/at/all/out.json")


def test_a_reader_that_stops_early_gets_no_traceback():
    """As `medalign schema | head -1` does; what is written must be more than a pipe holds back."""
    command = [sys.executable, "-c", "import sys; from medalign.cli import main; sys.exit(main(['schema']))"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.wait() == 1 and process.stderr.read() == ""


@pytest.mark.parametrize("command", [["preview"], ["search"]])
def test_a_recording_is_decoded_once(command, write_wav, monkeypatch):
    """What is called gets the recording that was read at the door, not its path."""
    given = []
    answer = {command[0]: lambda recording, *_: given.append(recording) or ()}
    monkeypatch.setattr("medalign.pipeline.listener.Listener.default", lambda **_: SimpleNamespace(**answer))
    audio = write_wav("part.wav", np.zeros(16_000))
    assert main([*command, audio, *(["a cough"] if command == ["search"] else [])]) == 0
    assert [type(one) for one in given] == [Recording]
