"""What the server enforces whatever a page or a client sends, what it keeps, and how much it sends."""

import json
import logging
import time
from pathlib import Path

import httpx
import numpy as np
import page_fixtures
import pytest
import soundfile
from browser import acknowledge, fake_server, reverse_proxy, upload, wait_for_result, watched_page
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_fixtures import Example, FakeEngine

from medalign.core.audio import Recording, load_recording
from medalign.core.errors import FeedbackError
from medalign.ui.engine import Comparing

pytestmark = pytest.mark.usefixtures("gradio_folder")
ARTEFACTS = Path(__file__).parent / "artefacts"
WIDTHS, THEMES = (1440, 768, 390), ("light", "dark")


def send(url: str, target: str, data: list) -> str:
    """A raw request to a private event, as no page would send it; the last event of the answer."""
    config = httpx.get(f"{url}/config").json()
    ids = {c["id"]: c["props"].get("elem_id") for c in config["components"]}
    (event,) = [d["id"] for d in config["dependencies"] if [ids.get(t[0]) for t in d["targets"]] == [target]]
    body = {"data": data, "fn_index": event, "session_hash": "forged", "event_data": {"index": "0", "verdict": "correct"}}
    httpx.post(f"{url}/gradio_api/queue/join", json=body).raise_for_status()
    with httpx.stream("GET", f"{url}/gradio_api/queue/data?session_hash=forged", timeout=30) as events:
        return [line for line in events.iter_lines() if "process_completed" in line][-1]


@pytest.mark.parametrize("acknowledged", [False, None, "yes", 1])
def test_the_api_refuses_whoever_has_not_acknowledged_the_notice(tone, acknowledged):
    with fake_server(FakeEngine(page_fixtures.analysis())) as url, pytest.raises(AppError, match="Confirm the data notice"):
        Client(url, verbose=False).predict(handle_file(tone), acknowledged, api_name="/analyse")


def test_a_forged_rating_changes_nothing(store):
    with fake_server(FakeEngine(page_fixtures.analysis()), store=store) as url:
        answer = send(url, "bridge-rate", [None, "not said", False])
        assert "there is no recording yet" in answer
    assert store.table("ratings").empty


@pytest.mark.parametrize(
    ("target", "words"), [("bridge-missing", "the page sent no number"), ("results-refresh", "the disk is full")]
)
def test_whatever_a_handler_raises_becomes_one_sentence_on_the_page(store, monkeypatch, target, words):
    def full(*_):
        raise FeedbackError("the disk is full")

    monkeypatch.setattr(store, "table", full)
    with fake_server(FakeEngine(page_fixtures.analysis()), store=store) as url:
        answer = json.loads(send(url, target, []).removeprefix("data: "))
    assert answer["success"] and words in str(answer["output"]) and 'class="alert"' in str(answer["output"])


def test_a_stored_result_that_cannot_be_read_is_one_sentence(browser, tone, tmp_path):
    stored = tmp_path / "broken.json"
    stored.write_text("{")
    with (
        fake_server(FakeEngine(page_fixtures.analysis()), [Example("Cough", "", tone, stored)]) as url,
        watched_page(browser, url) as page,
    ):
        page.get_by_role("button", name="Cough").click()
        page.locator("#alert", has_text="broken.json").wait_for()
        page.wait_for_function("!document.querySelector('#analyse').disabled")


def test_the_page_works_behind_a_proxy_that_serves_it_under_a_path(browser, stored_example, store, tone):
    engine = FakeEngine(page_fixtures.analysis())
    with (
        fake_server(engine, [stored_example], root_path="/tools/medalign", store=store) as inner,
        reverse_proxy(inner, "/tools/medalign") as url,
        watched_page(browser, f"{url}/") as page,
    ):
        page.get_by_role("button", name="Cough").click()
        wait_for_result(page)
        page.locator("tr.row button.play").first.click()
        page.wait_for_function("!document.querySelector('#player audio').paused")
        with page.expect_download() as download:
            page.locator("#exports").get_by_role("link", name="CSV").click()
        assert "Dyspnea" in Path(download.value.path()).read_text(encoding="utf-8-sig")
        upload(page, tone)
        page.get_by_role("button", name="Analyse", exact=True).click()
        page.locator("#heading", has_text="tone.wav").wait_for()
        wait_for_result(page)
        page.locator("tr.row [data-verdict=correct]").first.click()
        page.locator("#ratings", has_text="Stored").wait_for()


def test_a_server_may_take_examples_only(browser, stored_example, store, tone):
    with (
        fake_server(FakeEngine(page_fixtures.analysis()), [stored_example], store=store, takes_recordings=False) as url,
        watched_page(browser, url, waits_for="#examples") as page,
    ):
        assert page.locator("#microphone").count() == 0 and page.locator("#upload").count() == 0
        assert "takes no recordings" in page.locator("body").inner_text()
        page.get_by_role("button", name="Cough").click()
        wait_for_result(page)
        with pytest.raises(ValueError, match="/analyse"):
            Client(url, verbose=False).predict(handle_file(tone), True, api_name="/analyse")


def test_a_public_server_loads_no_model_that_a_stranger_names(browser, stored_example):
    asked = []
    with (
        fake_server(
            FakeEngine(page_fixtures.analysis()), [stored_example], comparing=Comparing(asked.append, any_model=False)
        ) as url,
        watched_page(browser, url) as page,
    ):
        page.get_by_role("button", name="Cough").click()
        wait_for_result(page)
        assert '"success":false' in send(url, "compare-go", [None, "student=/etc", "shipped (tiny.en)", False])
        assert not asked


def test_the_audit_log_tells_what_was_done_and_nothing_of_what_was_said(browser, stored_example, store, tone):
    with (
        fake_server(FakeEngine(page_fixtures.analysis()), [stored_example], store=store) as url,
        watched_page(browser, url) as page,
    ):
        page.get_by_role("button", name="Cough").click()
        wait_for_result(page)
        upload(page, tone)
        page.get_by_role("button", name="Analyse").click()
        page.locator("#heading", has_text="tone.wav").wait_for()
        wait_for_result(page)
        page.wait_for_timeout(500)
    events = store.table("events")
    assert events["event"].tolist() == ["example", "analyze"] and events["outcome"].tolist() == ["ok", "ok"]
    assert events["student"].notna().all() and events["duration_s"].tolist() == [48.0, 48.0]
    told = events.to_csv()
    assert not any(word in told for word in ("cough", "tone", "127.0.0.1", "Monday"))


def test_no_log_holds_what_was_said(browser, stored_example, caplog):
    engine = FakeEngine(page_fixtures.analysis(), fail_at="teacher", error=KeyError("x"))
    plain = Example("Cough", "", stored_example.audio_path)
    with caplog.at_level(logging.DEBUG), fake_server(engine, [plain]) as url, watched_page(browser, url) as page:
        page.get_by_role("button", name="Cough").click()
        page.locator("#alert .alert").wait_for()
    assert "failed while reading the transcript for clinical concepts" in caplog.text
    assert "Monday" not in caplog.text and "asthma" not in caplog.text


def test_digital_silence_is_told_before_any_model_runs(browser, tmp_path):
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(160_000), 16_000)
    slow = FakeEngine(page_fixtures.silent_analysis(), delay_s=1.0)
    with fake_server(slow) as url, watched_page(browser, url) as page:
        upload(page, silent)
        page.get_by_role("button", name="Analyse").click()
        page.locator("#heading .warnings", has_text="This recording is silent").wait_for()
        assert "Finished" not in page.locator("#status").inner_text()
        wait_for_result(page)
        assert "No speech detected" in page.locator("#transcript").inner_text()


def test_a_reload_in_the_middle_leaves_a_page_that_works(browser, tone):
    slow = FakeEngine(page_fixtures.analysis(), delay_s=0.4)
    with fake_server(slow, [Example("Cough", "", tone)]) as url, watched_page(browser, url) as page:
        page.get_by_role("button", name="Cough").click()
        page.locator("#status", has_text="Writing down").wait_for()
        page.reload()
        page.locator("#analyse").wait_for()
        assert page.locator("#result-title").count() == 0, "nothing of the old run comes back"
        page.get_by_role("button", name="Cough").click()
        wait_for_result(page)


def test_an_hour_is_shown_and_sends_little(browser, tone, tmp_path):
    """Figures of at most 3 MB; the whole page of an hour, gzip aside, stays below 8 MB."""
    stored = tmp_path / "hour.json"
    stored.write_text(json.dumps(page_fixtures.long_analysis().to_dict()))
    received = []
    with (
        fake_server(FakeEngine(page_fixtures.analysis()), [Example("Hour", "", tone, stored)]) as url,
        watched_page(browser, url) as page,
    ):
        page.on("response", lambda response: received.append(response) if "queue/data" in response.url else None)
        page.get_by_role("button", name="Hour").click()
        wait_for_result(page, timeout_s=60)
        assert page.locator(".segment").count() == 600
        begun = time.monotonic()
        page.locator("#heatmap .heatmaplayer image").wait_for(state="attached")
        page.evaluate("document.body.offsetHeight")
        assert time.monotonic() - begun < 8, "the page answers while it draws; it once stood still for 18 s"
        size = page.evaluate("document.documentElement.outerHTML.length")
    assert received and size < 8_000_000


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
def test_every_width_and_theme_is_photographed_and_fits(browser, stored_example, store, width, theme):
    """The pictures lie in tests/artefacts to be looked at; nothing is wider than the window."""
    ARTEFACTS.mkdir(exist_ok=True)
    with (
        fake_server(FakeEngine(page_fixtures.analysis()), [stored_example], store=store,
                    comparing=Comparing(lambda c: (FakeEngine(page_fixtures.analysis()), 2**20))) as url,
        watched_page(browser, f"{url}/?__theme={theme}", viewport={"width": width, "height": 900}) as page,
    ):  # fmt: skip
        page.get_by_role("button", name="Cough").click()
        wait_for_result(page)
        page.locator(".segment").nth(1).locator("[data-send=why]").click()
        page.locator("#words-time .heatmaplayer image").wait_for(state="attached")
        for tab in ("Analyse", "Compare", "Results"):
            page.get_by_role("tab", name=tab).click()
            if tab == "Compare":
                page.locator("#compare-go").click()
                page.locator("#comparison .sides").wait_for()
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), tab
            picture = ARTEFACTS / f"{tab.lower()}-{width}-{theme}.png"
            page.screenshot(path=picture, full_page=True)
            assert picture.stat().st_size > 20_000


def test_the_keyboard_alone_reviews_a_result(browser, stored_example, store):
    """From the example to a heard word, an edit, a rating and the help, without a pointer."""
    with (
        fake_server(FakeEngine(page_fixtures.analysis()), [stored_example], store=store) as url,
        watched_page(browser, url) as page,
    ):

        def tab_to(match: str, limit: int = 120):
            for _ in range(limit):
                page.keyboard.press("Tab")
                if page.evaluate("m => document.activeElement.matches(m)", match):
                    return
            raise AssertionError(f"no {match} within {limit} tabs")

        tab_to("button.example")
        page.keyboard.press("Enter")
        wait_for_result(page)
        tab_to("#exports a")
        tab_to("[data-filter]")
        tab_to("tr.row")
        page.keyboard.press("w")
        page.locator("#ratings", has_text="Cough").wait_for()
        page.keyboard.press("u")
        page.locator("#ratings .rated li").wait_for(state="detached")
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


def test_the_notice_locks_the_recorder_for_the_keyboard_too(browser, tone):
    with fake_server(FakeEngine(page_fixtures.analysis())) as url, watched_page(browser, url) as page:
        for _ in range(40):
            page.keyboard.press("Tab")
            assert not page.evaluate("document.activeElement.closest('#inputs') !== null")
        acknowledge(page)
        page.locator("#consent input").focus()
        reached = False
        for _ in range(10):
            page.keyboard.press("Tab")
            reached = reached or page.evaluate("document.activeElement.closest('#inputs') !== null")
        assert reached


def test_a_recording_is_decoded_once_on_its_way_through_the_page(browser, tone, monkeypatch):
    """By the tab that takes it, and once more by a comparison, for both of its models; never by what they call."""
    decoded = []

    def counting(source, **options):
        decoded.append(Path(source).name)
        return load_recording(source, **options)

    for module in ("ui.run", "ui.tabs.compare_tab", "ui.page", "ui.session", "core.audio"):
        monkeypatch.setattr(f"medalign.{module}.load_recording", counting)
    engine = FakeEngine(page_fixtures.analysis())
    with fake_server(engine, comparing=Comparing(lambda c: (engine, 1))) as url, watched_page(browser, url) as page:
        upload(page, tone)
        page.get_by_role("button", name="Analyse").click()
        wait_for_result(page)
        assert decoded == ["tone.wav"]
        page.get_by_role("tab", name="Compare").click()
        page.locator("#compare-go").click()
        page.locator("#comparison .sides").wait_for()
        assert decoded == ["tone.wav"] * 2
        Client(url, verbose=False).predict(handle_file(tone), True, api_name="/analyse")
        assert decoded == ["tone.wav"] * 3
    assert all(isinstance(given, Recording) for given in engine.given) and len(engine.given) == 4
