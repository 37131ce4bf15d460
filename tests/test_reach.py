"""Who reaches the page and what they can tell of the server: names it answers to, models on request, uploads, messages."""

from pathlib import Path

import httpx
import page_fixtures
import pytest
from browser import free_port, running
from page_fixtures import FakeEngine

from medalign.cli import _parser, main, reach
from medalign.core.errors import FeedbackError, MedAlignError
from medalign.ui.failures import caught
from medalign.ui.page import build_app
from medalign.ui.session import Session

HERE = ["localhost", "127.0.0.1", "[::1]"]


def asked(*flags: str):
    return _parser().parse_args(["serve", *flags])


@pytest.fixture(autouse=True)
def no_gradio_variables(monkeypatch):
    for name in ("GRADIO_SERVER_NAME", "GRADIO_ROOT_PATH", "SPACE_ID", "SPACE_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("flags", "hosts", "any_model"),
    [
        ((), [*HERE, "127.0.0.1"], True),
        (("--host", "localhost"), [*HERE, "localhost"], True),
        (("--host", "::1"), [*HERE, "[::1]"], True),
        (("--host", "0.0.0.0"), ["*"], False),
        (("--host", "10.0.0.1"), ["*"], False),
        (("--host", "medalign.lan"), ["*"], False),
        (("--share",), ["*"], False),
        (("--allowed-hosts", "example.org", "*.example.org"), [*HERE, "127.0.0.1", "example.org", "*.example.org"], False),
        (("--host", "0.0.0.0", "--allowed-hosts", "2001:db8::1"), [*HERE, "0.0.0.0", "[2001:db8::1]"], False),
        (("--root-path", "https://example.org/tools"), [*HERE, "127.0.0.1", "example.org"], False),
        (("--root-path", "/tools"), [*HERE, "127.0.0.1"], False),
    ],
)
def test_names_and_models_that_a_server_takes(flags, hosts, any_model):
    arguments = asked(*flags)
    assert reach.hosts(arguments) == hosts and reach.is_private(arguments) is any_model


def test_a_space_answers_to_all_names_and_takes_listed_models(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "owner/name")
    monkeypatch.setenv("SPACE_HOST", "owner-name.hf.space")
    for flags in ((), ("--host", "127.0.0.1")):
        assert reach.hosts(asked(*flags)) == ["*"] and not reach.is_private(asked(*flags))
    assert "owner-name.hf.space" in reach.hosts(asked("--allowed-hosts", "example.org"))


@pytest.mark.parametrize("name", ["https://example.org", "example.org:443", "a*b", "*", "", "a b"])
def test_a_name_that_is_none_is_refused_in_words(name, capsys):
    if name == "*":
        assert reach.hosts(asked("--allowed-hosts", name))[-1] == "*"
        return
    with pytest.raises(SystemExit) as stopped:
        asked("--allowed-hosts", name)
    assert stopped.value.code == 2 and "is no host name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "any_model"), [((), True), (("--root-path", "/x"), False), (("--root-path", "/x", "--any-model"), True)]
)
def test_what_the_command_is_told_reaches_the_page(flags, any_model, monkeypatch):
    seen = {}
    monkeypatch.setattr("medalign.ui.page.build_app", lambda *_, **options: seen.update(options))
    monkeypatch.setattr("medalign.cli.serve._launch", lambda page, arguments, options: seen.update(options))
    monkeypatch.setattr("medalign.cli.serve._load", lambda models: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # is set anew, and must not stay
    assert main(["serve", "--feedback", "off", "--port", str(free_port()), *flags]) == 0
    assert seen["comparing"].any_model is any_model
    allowed = [middleware.kwargs.get("allowed_hosts") for middleware in seen["app_kwargs"]["middleware"]]
    assert allowed[0] == [*HERE, "127.0.0.1"] and not any(allowed[1:]), "first of all: nothing answers to another name"


def test_a_page_for_this_machine_answers_to_this_machines_names_alone(local):
    port = local.rpartition(":")[2]
    for host, status in ((f"127.0.0.1:{port}", 200), (f"localhost:{port}", 200), (f"[::1]:{port}", 200), ("evil.org", 400),
                         (f"evil.org:{port}", 400), ("127.0.0.1.evil.org", 400), ("", 400)):  # fmt: skip
        for path in ("/", "/config", "/gradio_api/info"):
            assert httpx.get(local + path, headers={"Host": host}).status_code == status, (host, path)


@pytest.fixture(scope="module")
def local(gradio_folder):
    app = build_app(lambda: FakeEngine(page_fixtures.analysis()))
    with running(app, hosts=[*HERE]) as url:
        yield url


def uploaded(url: str, data: bytes, name: str = "recording.wav") -> Path:
    (path,) = httpx.post(f"{url}/gradio_api/upload", files={"files": (name, data)}).raise_for_status().json()
    return Path(path)


def test_the_same_recording_of_two_readers_is_two_files_and_one_reader_deletes_one(local, gradio_folder):
    first, second = uploaded(local, b"the same sound"), uploaded(local, b"the same sound")
    assert first != second and first.name == second.name == "recording.wav"
    served = [httpx.get(f"{local}/gradio_api/file={path}").content for path in (first, second)]
    assert served == [b"the same sound"] * 2
    Session(str(first), "first").forget()
    assert not first.exists() and second.read_bytes() == b"the same sound"
    own = first.relative_to(gradio_folder).parts[0]
    assert not (gradio_folder / own).exists(), "a folder named by content is a trace of it"
    Session(str(second), "second").forget()
    assert gradio_folder.is_dir()


def test_a_folder_that_holds_more_stays(local):
    path = uploaded(local, b"sound")
    beside = path.with_suffix(".mp3")
    beside.touch()
    Session(str(path), "first").forget()
    assert not path.exists() and beside.exists()


def test_what_is_made_of_a_recording_while_it_is_deleted_goes_with_it(tmp_path):
    session, late = Session(str(tmp_path / "recording.wav"), "first"), tmp_path / "late.json"
    session.forget()
    late.touch()
    session.own(late)
    assert not late.exists()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("'{tmp}/medalign-own-x/0123/recording one.wav' can't be read as audio", "'recording one.wav' can't be read as audio"),
        ("{tmp}/a.wav is empty; give another", "a.wav is empty; give another"),
        ("{cwd}/runs/first/config.json is missing; check it", "config.json is missing; check it"),
        ("{home}/ward 7/config.json is missing", "ward 7/config.json is missing"),
        ("folder (/srv/models/x) is no checkpoint", "folder (x) is no checkpoint"),
        ("/srv/models/ is no checkpoint", "models/ is no checkpoint"),
        ("postgresql+psycopg://me:secret@db.internal:5432/f is down", "postgresql+psycopg://... is down"),
        ("https://huggingface.co/a/b and/or 1/2 of /analyse", "https://huggingface.co/a/b and/or 1/2 of /analyse"),
        ("runs/first is no checkpoint", "runs/first is no checkpoint"),
    ],
)  # fmt: skip
def test_a_message_on_the_page_names_files_but_neither_folders_nor_hosts(said, told, tmp_path, monkeypatch):
    folder = tmp_path / "a folder with spaces"
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    places = {"{tmp}": str(folder), "{cwd}": str(Path.cwd()), "{home}": str(Path.home())}
    for place, path in places.items():
        said = said.replace(place, path)

    def fail():
        raise MedAlignError(said)

    assert caught(fail, lambda failure: failure.sentence)() == told


def test_what_is_for_the_operator_alone_is_told_otherwise_on_the_page():
    def fail():
        error = FeedbackError("connection to db.internal (10.0.0.5) failed")
        error.for_readers = "try again later"
        raise error

    assert caught(fail, lambda failure: failure.sentence)() == "try again later"


@pytest.mark.parametrize(("given", "listened_on"), [("::1", "[::1]"), ("[::1]", "[::1]"), ("127.0.0.1", "127.0.0.1")])
def test_an_address_of_ipv6_may_stand_without_brackets(given, listened_on, monkeypatch):
    assert asked("--host", given).host == listened_on
    monkeypatch.setenv("GRADIO_SERVER_NAME", given)
    assert asked().host == listened_on
