"""What the server enforces whatever a page or a client sends, what it keeps, and how much it sends."""

import json
import logging
import os
import threading
import time
import uuid
from pathlib import Path

import gradio
import httpx
import numpy as np
import page_fixtures
import pytest
import soundfile
from browser import (
    FOLDS,
    LEAD_S,
    another_tab,
    assert_fits,
    fake_server,
    open_pane,
    press_example,
    reverse_proxy,
    show_example,
    take_home,
    unfold,
    upload,
    visit,
    wait_for_result,
    wait_until_free,
    wait_until_playing_from,
)
from gradio.route_utils import delete_files_created_by_app
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_fixtures import FakeEngine
from shared_page import LIVE, STORED

from medalign.core.analysis import Analysis
from medalign.core.audio import Recording, load_recording
from medalign.core.errors import FeedbackError, MedAlignError
from medalign.feedback.store import FeedbackStore
from medalign.ui.door import GONE, NO_UPLOAD, UNFIT
from medalign.ui.engine import Comparing, Models
from medalign.ui.model_queue import ModelQueue
from medalign.ui.page import build_app

PANES = ("ear", "summary", "transcript", "more")


def send(url: str, target: str, data: list) -> str:
    """A raw request to a private event, as no page would send it; the last event of the answer."""
    config = httpx.get(f"{url}/config").json()
    ids = {c["id"]: c["props"].get("elem_id") for c in config["components"]}
    (event,) = [d["id"] for d in config["dependencies"] if [ids.get(t[0]) for t in d["targets"]] == [target]]
    forged = f"forged-{uuid.uuid4()}"
    body = {"data": data, "fn_index": event, "session_hash": forged, "event_data": {"index": "0", "verdict": "correct"}}
    httpx.post(f"{url}/gradio_api/queue/join", json=body).raise_for_status()
    with httpx.stream("GET", f"{url}/gradio_api/queue/data?session_hash={forged}", timeout=30) as events:
        return [line for line in events.iter_lines() if "process_completed" in line][-1]


@pytest.mark.parametrize("acknowledged", [False, None, "yes", 1])
def test_the_api_refuses_whoever_has_not_acknowledged_the_notice(server, tone, acknowledged):
    with pytest.raises(AppError, match="Confirm the data notice"):
        Client(server.url, verbose=False).predict(handle_file(tone), acknowledged, api_name="/analyse")


def test_a_forged_rating_changes_nothing(server, store):
    answer = send(server.url, "bridge-rate", [None, "no role given", False, None])
    assert "there is no recording yet" in answer
    assert store.table("ratings").empty


@pytest.mark.parametrize(
    ("target", "words"), [("bridge-missing", "the page sent no number"), ("results-refresh", "the disk is full")]
)
def test_whatever_a_handler_raises_becomes_one_sentence_on_the_page(server, store, monkeypatch, target, words):
    def full(*_):
        raise FeedbackError("the disk is full")

    monkeypatch.setattr(store, "table", full)
    answer = json.loads(send(server.url, target, []).removeprefix("data: "))
    assert answer["success"] and words in str(answer["output"]) and 'class="alert"' in str(answer["output"])


def upload_of(path: object, **more: object) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


FORGED_FILES = {
    "a path": "/etc/passwd", "a number": 5, "true": True, "a list": ["/etc/passwd"], "nothing in it": {},
    "a number as path": upload_of(5), "no path": upload_of(None), "an address": upload_of("http://example.org/a.wav"),
    "an address only": {"url": "http://example.org/a.wav"}, "an address deep inside": [[upload_of("https://example.org/a.wav")]],
    "no meta": {"path": "/etc/passwd"}, "a string as meta": {"path": "/etc/passwd", "meta": "gradio.FileData"},
    "a list as meta": {"path": "/etc/passwd", "meta": [1]}, "a file of the server": upload_of("/etc/passwd"),
    "a stream": upload_of("/etc/passwd", is_stream=True), "a NUL": upload_of("/tmp/a\0.wav"),
    "a long name": upload_of("x" * 99_999), "half a character": upload_of("\ud800"),
    "a word as size": upload_of("/etc/passwd", size="big"),
}  # fmt: skip


@pytest.fixture
def fetched(monkeypatch):
    """Addresses that the server asked for."""
    asked = []

    async def fetch(url: str, **_: object) -> str:
        asked.append(url)
        raise OSError("no network")

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", fetch)
    return asked


@pytest.fixture
def quiet_log(caplog, capsys):
    """Fails on leaving if a traceback went to the log or to the terminal."""
    yield caplog
    assert not [record for record in caplog.records if record.exc_info]
    assert "Traceback" not in "".join(capsys.readouterr())


class Slow(FakeEngine):
    """Begins a new step every fifth of a second, until nobody asks for another."""

    def stream(self, recording, custom=()):
        self.began.set()
        try:
            for self.last in super().stream(recording, custom):
                yield self.last
                time.sleep(0.2)
        finally:
            self.ended.set()


def test_a_client_that_leaves_ends_its_analysis(server, tone):
    server.engine = engine = Slow(page_fixtures.analysis(), hold_at="student")
    engine.began, engine.ended = threading.Event(), threading.Event()
    with httpx.Client(base_url=server.url) as client:
        path = client.post("/gradio_api/upload", files={"files": ("tone.wav", tone.read_bytes())}).json()[0]
        asked = client.post("/gradio_api/call/analyse", json={"data": [upload_of(path), True]}).json()["event_id"]
        with client.stream("GET", f"/gradio_api/call/analyse/{asked}"):
            assert engine.began.wait(60)
    engine.go_on.set()
    assert engine.ended.wait(60) and not isinstance(engine.last, Analysis)


def test_a_forged_file_is_refused_in_one_sentence_and_nothing_is_read_or_fetched(server, fetched, quiet_log, gradio_folder):
    files = {**FORGED_FILES, "the folder of all uploads": upload_of(str(gradio_folder))}
    with httpx.Client(base_url=server.url, headers={"content-type": "application/json"}) as client:
        for name, file in files.items():
            quiet_log.clear()
            asked = client.post("/gradio_api/call/analyse", content=json.dumps({"data": [file, True]})).json()["event_id"]
            answer = client.get(f"/gradio_api/call/analyse/{asked}").text
            assert json.loads(answer.partition("data: ")[2])["error"] in (NO_UPLOAD, GONE), name
            (line,) = [record.getMessage() for record in quiet_log.records if record.name == "medalign.ui.door"]
            assert "passwd" not in line and "\n" not in line
    assert not fetched and not server.engine.given


def test_no_event_of_the_page_takes_what_no_page_sends(server, fetched, quiet_log):
    """Every event that the page has, listed or not: forged values in the place of each of its own, or none."""
    refused = []
    with httpx.Client(base_url=server.url) as client:
        for event in client.get("/config").json()["dependencies"]:
            n = len(event["inputs"])
            names = ("an address", "a string as meta", "a file of the server")
            for values, sent in [([FORGED_FILES[name]] * n, FORGED_FILES[name]) for name in names] + [([], None)]:
                body = {"data": values, "fn_index": event["id"], "session_hash": "forged", "event_data": sent}
                answer = client.post("/gradio_api/run/any", json=body).json()  # without the queue, which takes its time
                refused += [answer["error"]] if "error" in answer else []
    assert len(refused) > 80 and set(refused) == {UNFIT, NO_UPLOAD, GONE}
    assert not fetched and server.store.table("ratings").empty


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("queue/join", {"data": [], "session_hash": "s", "fn_index": 9999}, UNFIT),
        ("call/nothing", {"data": []}, UNFIT),
        ("call/v2/analyse", {"audio": 5, "x": 1}, UNFIT),
        ("component_server", {"component_id": 10**6, "session_hash": "s", "fn_name": "x", "data": 1}, UNFIT),
        ("call/analyse", {"data": "x"}, "valid list"),
    ],
    ids=["no such event", "no such name", "no such parameter", "no such component", "no list of values"],
)
def test_a_call_of_what_is_not_there_is_refused_in_one_line(server, quiet_log, path, body, says):
    answer = httpx.post(f"{server.url}/gradio_api/{path}", json=body)
    assert 400 <= answer.status_code < 500 and says in str(answer.json()["detail"])


def test_who_asks_for_an_unknown_session_is_answered_to_the_end(server, quiet_log):
    assert "404" in httpx.get(f"{server.url}/gradio_api/call/analyse/unknown").text


def test_what_is_uploaded_during_a_deletion_does_not_end_the_schedule(monkeypatch, tmp_path):
    page = build_app(lambda: FakeEngine(page_fixtures.analysis()))
    files = [tmp_path / f"{i}.wav" for i in range(4)]
    old, new = files[:2], files[2:]
    block = next(block for block in page.blocks.values() if isinstance(block, gradio.HTML))
    for file, known in zip(files, (page.upload_file_set, block.temp_files) * 2, strict=True):
        file.touch()
        if file in old:
            known.add(str(file))

    def remove(path):
        Path(path).unlink()
        page.upload_file_set.add(str(new[0]))
        block.temp_files.add(str(new[1]))

    monkeypatch.setattr("gradio.route_utils.os.remove", remove)
    for _ in range(2):
        delete_files_created_by_app(page, -1)
    assert not any(file.exists() for file in files)


@pytest.mark.slow
def test_a_stored_result_waits_for_nobody_and_who_waits_knows_their_place(page, server, tone):
    server.engine = held = FakeEngine(page_fixtures.analysis(), hold_at="transcribe")
    press_example(page, LIVE)
    page.locator("#status", has_text="Writing down").wait_for()
    other = another_tab(page)
    with visit(other, server.url):
        show_example(other, STORED)
        other.locator("#phrase").get_by_role("textbox").fill("chest pain")
        other.locator("#search-go").click()
        other.locator("#hits [data-start]").first.wait_for()
        other.get_by_role("tab", name="Compare").click()
        other.locator("#compare-go").click()
        other.locator("#compare-status[role=status]", has_text="Waiting: 1 before you, less than a minute.").wait_for()
        other.get_by_role("tab", name="Analyse").click()
        upload(other, tone)
        other.get_by_role("button", name="Analyse", exact=True).click()
        other.locator("#status[role=status]", has_text="Waiting: 2 before you").wait_for()
        server.engine = FakeEngine(page_fixtures.analysis())
        held.let_go()
        wait_for_result(other)
        assert "tone.wav" in other.locator("#heading").inner_text()
        other.locator("#comparison .compared").wait_for(state="attached")
    other.close()
    page.locator("#status .unseen", has_text="Finished").wait_for()


def test_a_client_that_has_gone_waits_no_more(gradio_folder, tone, monkeypatch):
    queue, engine = ModelQueue(), FakeEngine(page_fixtures.analysis(), hold_at="decode")
    monkeypatch.setattr("medalign.ui.page.Models", lambda load: Models(load, analyses=queue))
    with fake_server(engine) as url:
        first = Client(url, verbose=False).submit(handle_file(tone), True, api_name="/analyse")
        uploaded = httpx.post(f"{url}/gradio_api/upload", files={"files": tone.read_bytes()}).json()[0]
        data = [{"path": uploaded, "meta": {"_type": "gradio.FileData"}}, True]
        while not engine.given:
            time.sleep(0.05)
        call = f"{url}/gradio_api/call/analyse"
        asked = httpx.post(call, json={"data": data}).json()["event_id"]
        with httpx.stream("GET", f"{call}/{asked}", timeout=30) as events:
            assert "generating" in next(events.iter_lines()), "it waits"
        deadline = time.monotonic() + 30
        while (n_places := len(queue._places)) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert n_places == 1
        engine.let_go()
        assert first.result()["schema_version"] and len(engine.given) == 1


@pytest.mark.slow
def test_the_page_works_behind_a_proxy_that_serves_it_under_a_path(tab, stored_example, store, tone):
    engine = FakeEngine(page_fixtures.analysis())
    with (
        fake_server(engine, [stored_example], root_path="/tools/medalign", store=store) as inner,
        reverse_proxy(inner, "/tools/medalign") as url,
        visit(tab, f"{url}/") as page,
    ):
        show_example(page, "Cough")
        unfold(page, "concepts")
        page.locator("tr.row button.play").first.click()
        page.wait_for_function("!document.querySelector('#player audio').paused")
        with page.expect_download() as download:
            take_home(page, "CSV")
        assert "Dyspnea" in Path(download.value.path()).read_text(encoding="utf-8-sig")
        upload(page, tone)
        page.get_by_role("button", name="Analyse", exact=True).click()
        page.locator("#heading", has_text="tone.wav").wait_for()
        wait_for_result(page)
        page.locator("tr.row [data-verdict=correct]").first.click()
        page.locator("#ratings", has_text="Stored").wait_for()


@pytest.fixture(scope="module")
def public(gradio_folder, tone, tmp_path_factory):
    """The address of a server as the public meets it, and the models that it was asked to load."""
    asked = []
    stored = page_fixtures.write_stored(tmp_path_factory.mktemp("public"), tone)
    with (
        FeedbackStore(str(tmp_path_factory.mktemp("public") / "feedback.sqlite3")) as store,
        fake_server(FakeEngine(page_fixtures.analysis()), [stored], store=store, takes_recordings=False,
                    comparing=Comparing(asked.append)) as url,
    ):  # fmt: skip
        yield url, asked


def test_a_server_may_take_examples_only(tab, public, tone):
    url, _ = public
    with visit(tab, url, waits_for="#examples") as page:
        assert page.locator("#microphone").count() == 0 and page.locator("#upload").count() == 0
        assert "takes no recordings" in page.locator("body").inner_text()
        show_example(page, "Cough")
        with pytest.raises(ValueError, match="/analyse"):
            Client(url, verbose=False).predict(handle_file(tone), True, api_name="/analyse")


def test_a_public_server_loads_no_model_that_a_stranger_names(public):
    url, asked = public
    assert '"success":false' in send(url, "compare-go", [None, "student=/etc", "shipped (tiny.en)", False])
    assert not asked


def test_the_audit_log_tells_what_was_done_and_nothing_of_what_was_said(page, store, tone):
    show_example(page, STORED)
    upload(page, tone)
    page.get_by_role("button", name="Analyse").click()
    page.locator("#heading", has_text="tone.wav").wait_for()
    wait_for_result(page)
    deadline = time.monotonic() + 30
    while len(events := store.table("events")) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)  # the last is written after the page has its result
    assert events["event"].tolist() == ["example", "analyze"] and events["outcome"].tolist() == ["ok", "ok"]
    assert events["student"].notna().all() and events["duration_s"].tolist() == [48.0, 48.0]
    told = events.to_csv()
    assert not any(word in told for word in ("cough", "tone", "127.0.0.1", "Monday"))


def test_no_log_holds_what_was_said(page, server, caplog):
    with caplog.at_level(logging.DEBUG):
        a_stage_that_fails_leaves_the_transcript_and_names_itself(page, server)
    assert "failed while reading the transcript for clinical concepts" in caplog.text
    assert "Monday" not in caplog.text and "asthma" not in caplog.text
    a_stored_result_that_cannot_be_read_is_one_sentence(page, server)


def a_stage_that_fails_leaves_the_transcript_and_names_itself(page, server):
    for error, words in ((MedAlignError("the concept bank is empty"), "concept bank"), (KeyError("x"), "not in your rec")):
        server.engine = FakeEngine(page_fixtures.analysis(), fail_at="teacher", error=error)
        press_example(page, LIVE)
        alert = page.locator("#alert", has_text=words)
        alert.wait_for()
        assert "reading the transcript for clinical concepts" in alert.inner_text()
        assert "Monday" in page.locator("#transcript").inner_text()
        assert "KeyError" not in page.locator("body").inner_text()
        wait_until_free(page)


def a_stored_result_that_cannot_be_read_is_one_sentence(page, server):
    """On the same page: to open it anew costs seconds."""
    server.stored.write_text("{")
    press_example(page, STORED)
    page.locator("#alert", has_text=server.stored.name).wait_for()
    wait_until_free(page)


def test_digital_silence_is_told_before_any_model_runs(page, server, tmp_path):
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(160_000), 16_000)
    server.engine = FakeEngine(page_fixtures.silent_analysis(), hold_at="decode")
    upload(page, silent)
    page.get_by_role("button", name="Analyse").click()
    page.locator("#heading .warnings", has_text="This recording is silent").wait_for()
    assert "Finished" not in page.locator("#status").inner_text()
    server.engine.let_go()
    wait_for_result(page)
    assert "No speech detected" in page.locator("#transcript").inner_text()


def test_a_reload_in_the_middle_leaves_a_page_that_works(page, server, tone):
    server.engine = interrupted = FakeEngine(page_fixtures.analysis(), hold_at="transcribe")
    upload(page, tone)
    page.get_by_role("button", name="Analyse", exact=True).click()
    page.locator("#status", has_text="Writing down").wait_for()
    page.reload()  # which the browser asks about
    page.get_by_role("dialog", name="Your recording is gone").get_by_role("button", name="Close").click()
    page.locator("#player audio").wait_for(state="attached")
    server.engine = FakeEngine(page_fixtures.analysis())
    press_example(page, LIVE)
    page.locator("#status", has_text="Waiting: 1 before you, less than a minute.").wait_for()
    assert page.locator("#result-title").inner_text().startswith(STORED), "nothing of the old run comes back"
    interrupted.let_go()
    wait_for_result(page)


def test_an_upload_that_another_process_took_is_told_in_words(page, tone, tmp_path, monkeypatch):
    """As after a restart, or after a replica's end."""
    upload(page, tone)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page.get_by_role("button", name="Analyse", exact=True).click()
    page.get_by_text("no longer on this server").wait_for()
    page.locator("#status", has_text="Not begun").wait_for()
    wait_until_free(page)


@pytest.mark.slow
def test_an_hour_is_shown_and_sends_little(page, server):
    """Figures of at most 3 MB; the whole page of an hour, gzip aside, stays below 8 MB."""
    server.stored.write_text(json.dumps(page_fixtures.long_analysis().to_dict()))
    with page.expect_response(lambda response: "queue/data" in response.url):
        press_example(page, STORED)
    wait_for_result(page, timeout_s=60)
    unfold(page, *FOLDS)
    assert page.locator(".segment").count() == 600
    page.locator("#heatmap .heatmaplayer image").wait_for(state="attached")
    assert page.evaluate("document.documentElement.outerHTML.length") < 8_000_000


@pytest.mark.parametrize(
    ("theme", "widths"),
    [
        ("light", (1440, 390)),
        pytest.param("light", (768,), marks=pytest.mark.slow),
        pytest.param("dark", (390, 768, 1440), marks=pytest.mark.slow),
    ],
)
def test_nothing_is_wider_than_the_window(tab, server, theme, widths):
    """At every width, in both themes. Pictures to be looked at are left in the folder that MEDALIGN_PICTURES names."""
    server.load_candidate = lambda candidate: (FakeEngine(page_fixtures.analysis()), 2**20)
    pictures = os.environ.get("MEDALIGN_PICTURES")
    tab.set_viewport_size({"width": widths[0], "height": 900})
    with visit(tab, f"{server.url}/?__theme={theme}") as page:
        show_example(page, STORED)
        unfold(page, *FOLDS)
        open_pane(page, "transcript")
        page.locator(".segment").nth(1).locator("[data-send=why]").click()
        page.locator("#words-time .heatmaplayer image").wait_for(state="attached")
        for name in ("Analyse", "Check a note", "Compare", "Body sounds", "Results"):
            page.get_by_role("tab", name=name).click()
            if name == "Body sounds":
                page.get_by_role("button", name="Steady heart").click()
                page.locator(".sound-card").wait_for()
            if name == "Check a note":
                page.locator("#note-text textarea").fill("PMH: asthma\nNever said, never heard\nA wrong dose of 5 mg")
                page.locator("#note-go").click()
                page.locator(".note-check").wait_for(timeout=180_000)
            if name == "Compare":
                page.locator("#compare-go").click()
                page.locator("#comparison .compared").wait_for()
            for width in widths:
                page.set_viewport_size({"width": width, "height": 900})
                for pane in PANES if name == "Analyse" else PANES[:1]:
                    open_pane(page, pane)
                    assert_fits(page, where := f"{name.lower().replace(' ', '-')}-{width}-{theme}")
                if pictures:
                    page.screenshot(path=Path(pictures) / f"{where}.png", full_page=True)


def test_the_keyboard_alone_plays_evidence_and_reviews_a_result(page):
    """From the example to evidence that is heard, an edit, a rating and the help, without a pointer."""

    def tab_to(match: str, limit: int = 120):
        for _ in range(limit):
            page.keyboard.press("Tab")
            if page.evaluate("m => document.activeElement.matches(m)", match):
                return
        raise AssertionError(f"no {match} within {limit} tabs")

    tab_to("button.example")
    page.keyboard.press("Enter")
    wait_for_result(page)
    tab_to("#exports summary")
    page.keyboard.press("Enter")
    tab_to("#exports [data-copy]", 1)
    tab_to("#exports a", 1)
    tab_to("#fold-concepts > button")
    page.keyboard.press("Enter")
    page.locator("tr.row").first.wait_for()
    tab_to("[data-filter]")
    tab_to("tr.row[data-start]")
    page.keyboard.press("Enter")
    wait_until_playing_from(page, float(page.locator("tr.row:focus").get_attribute("data-start")), LEAD_S)
    page.keyboard.press("w")
    page.locator("#ratings", has_text="Cough").wait_for()
    page.keyboard.press("u")
    page.locator("#ratings .rated li").wait_for(state="detached")
    tab_to("button.play")
    page.keyboard.press("Enter")
    wait_until_playing_from(page, float(page.locator("button.play:focus").get_attribute("data-start")), LEAD_S)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", "focus must be seen"
    page.locator("#result-title").focus()
    tab_to("[data-edit]")
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.type(" Hello.")
    tab_to(".edit-form [type=submit]", 5)
    page.keyboard.press("Enter")
    page.locator(".badge", has_text="edited").wait_for()
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_a_recording_is_decoded_once_on_its_way_through_the_page(page, server, tone, monkeypatch):
    """By the tab that takes it, and once more by a comparison, for both of its models; never by what they call."""
    decoded = []

    def counting(source, **options):
        decoded.append(Path(source).name)
        return load_recording(source, **options)

    for module in ("ui.run", "ui.tabs.compare_tab", "ui.page", "ui.session"):
        monkeypatch.setattr(f"medalign.{module}.load_apart", counting)
    for module in ("ui.run", "ui.stored", "core.audio"):
        monkeypatch.setattr(f"medalign.{module}.load_recording", counting)
    engine = server.engine
    server.load_candidate = lambda candidate: (engine, 1)
    upload(page, tone)
    page.get_by_role("button", name="Analyse").click()
    wait_for_result(page)
    assert decoded == ["tone.wav"]
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-go").click()
    page.locator("#comparison .compared").wait_for()
    assert decoded == ["tone.wav"] * 2
    Client(server.url, verbose=False).predict(handle_file(tone), True, api_name="/analyse")
    assert decoded == ["tone.wav"] * 3
    assert all(isinstance(given, Recording) for given in engine.given) and len(engine.given) == 4
