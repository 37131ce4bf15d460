"""The page in a real browser, with a fake engine: every state it can be in. `test_page_end_to_end.py` has the real one."""

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import av
import httpx
import numpy as np
import page_fixtures
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import (
    acknowledge,
    chromium,
    fake_server,
    stop_recording,
    upload,
    wait_for_result,
    wait_until_playing_from,
    watched_page,
)
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_fixtures import Example, FakeEngine

from medalign.core.errors import MedAlignError

pytestmark = pytest.mark.usefixtures("gradio_folder")


@pytest.fixture(scope="module")
def browser(tone):
    """One browser for all, with a microphone that hears the tone."""
    with chromium(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={tone}",
    ) as launched:
        yield launched


@pytest.fixture(scope="module")
def url(tone):
    with fake_server(FakeEngine(page_fixtures.analysis()), [Example("Cough", "Three weeks of cough", tone)]) as address:
        yield address


@pytest.fixture
def page(browser, url):
    with watched_page(browser, url) as opened:
        yield opened


@pytest.fixture
def result(page):
    """The page after a press on the example."""
    page.get_by_role("button", name="Cough").click()
    wait_for_result(page)
    return page


def wait_until_free(page) -> None:
    page.wait_for_function("!document.querySelector('#analyse').disabled")


def seconds_of(locator) -> float:
    return float(locator.get_attribute("data-start"))


def test_the_page_says_what_it_is_before_anything_is_pressed(page):
    assert page.get_by_role("heading", level=1).all_inner_texts() == ["MedAlign"]
    assert "Not a medical device" in page.locator(".banner[role=note]").inner_text()
    assert "60 minutes" in page.locator("#inputs").inner_text().replace("\n", " ")
    assert "400 MB" in page.locator("#inputs").inner_text().replace("\n", " ")
    assert page.locator("#result").count() == 0 or not page.locator("#result").is_visible()


def test_the_start_brings_the_work_into_view(result):
    result.wait_for_function("document.querySelector('#work').getBoundingClientRect().top < 120")


def test_an_upload_gives_transcript_table_and_figures(page, tone):
    upload(page, tone)
    page.get_by_role("button", name="Analyse").click()
    wait_for_result(page)
    assert "shortness of breath" in page.locator("#transcript").inner_text()
    assert page.locator("table.concepts").first.locator("tr.row").count() == 7
    wait_until_free(page)
    page.locator("#cancel").wait_for(state="hidden")


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_figures_have_drawn_marks_and_nothing_is_wider_than_the_window(browser, url, theme, width):
    with watched_page(browser, f"{url}/?__theme={theme}", viewport={"width": width, "height": 850}) as page:
        page.get_by_role("button", name="Cough").click()
        wait_for_result(page)
        page.locator("#heatmap .heatmaplayer image").wait_for(state="attached")
        image = page.locator("#heatmap .heatmaplayer image").bounding_box()
        assert image["width"] > 50 and image["height"] > 100
        line = page.locator("#timeline .scatterlayer .js-line").first.bounding_box()
        assert line["width"] > 50 and line["height"] > 50
        assert page.locator("#timeline .scatterlayer .point").count() >= 8
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_figures_axis_is_the_players_clock(result):
    duration = result.evaluate("document.querySelector('#player audio').duration")
    figures = "#timeline .js-plotly-plot, #heatmap .js-plotly-plot"
    ranges = result.evaluate(f"[...document.querySelectorAll('{figures}')].map(p => p._fullLayout.xaxis.range)")
    assert ranges == [[0, duration]] * 2


def test_a_press_on_a_word_plays_from_that_word_and_stops_at_the_end(result):
    word = result.locator(".word", has_text="Monday")
    word.click()
    wait_until_playing_from(result, seconds_of(word))
    end = float(result.locator(".segment", has=word).get_attribute("data-end"))
    result.wait_for_function("document.querySelector('#player audio').paused", timeout=15_000)
    stopped = result.evaluate("document.querySelector('#player audio').currentTime")
    assert end - 0.1 <= stopped <= end + 1.0, "browsers tell the time every 0.25 s, a busy one less often"


def test_a_press_on_a_row_plays_its_evidence(result):
    row = result.locator("tr.row", has_text="Asthma")
    row.locator("strong").click()
    wait_until_playing_from(result, seconds_of(row))
    result.locator(".segment.is-current", has_text="asthma").wait_for()


def test_a_press_on_a_point_of_the_timeline_plays_its_window(result):
    point = result.locator("#timeline .scatterlayer .point").nth(3)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    result.mouse.move(box["x"] + 1, box["y"] + 1)
    result.locator("#timeline .hoverlayer .hovertext").wait_for()  # plotly clicks on what it shows as hovered
    result.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_until_playing_from(result, page_fixtures.analysis().alignment.windows[3].start_s)


def test_the_keyboard_alone_reaches_an_example_and_plays_evidence(page):
    def tab_to(match: str, limit: int = 60):
        for _ in range(limit):
            page.keyboard.press("Tab")
            if page.evaluate("m => document.activeElement.matches(m)", match):
                return
        raise AssertionError(f"no {match} within {limit} tabs")

    tab_to("button.example")
    page.keyboard.press("Enter")
    wait_for_result(page)
    tab_to("tr.row[data-start]")
    page.keyboard.press("Enter")
    wait_until_playing_from(page, seconds_of(page.locator("tr.row:focus")))
    tab_to("button.play")
    page.keyboard.press("Enter")
    wait_until_playing_from(page, seconds_of(page.locator("button.play:focus")))
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "focus must be seen"


def test_arrow_keys_walk_the_words_of_a_segment(result):
    result.locator(".segment .time").nth(1).focus()
    for _ in range(3):
        result.keyboard.press("ArrowRight")
    word = result.locator(".word:focus")
    assert word.inner_text() == "had"
    result.keyboard.press("Enter")
    wait_until_playing_from(result, seconds_of(word))


def test_status_and_trigger_stand_in_the_table_and_in_the_transcript(result):
    row = result.locator("tr.row", has_text="Dyspnea").inner_text()
    assert "Negated" in row and "no" in row
    assert result.locator(".mention-family", has_text="asthma").count() == 1
    sections = result.locator(".section-title").all_inner_texts()
    assert sections[0].startswith("Present"), "what the patient has comes first"


def test_faint_hints_are_folded_away(result):
    hint = result.locator("tr.row", has_text="Hip pain")
    assert not hint.is_visible()
    assert "1 only in the sound" in result.locator("#overview").inner_text()
    result.get_by_text("1 faint hint in the sound only").click()
    hint.locator("button.play").click()
    wait_until_playing_from(result, 20.0)


def test_clinicians_read_no_decimals_and_no_jargon(result):
    shown = "".join(result.locator(f"#{part}").inner_text() for part in ("findings", "heading", "overview", "figures"))
    assert "about 8 in 10" in shown and "not heard" in shown
    for word in ("cosine", "CKA", "logit", "0.9", "0.6"):
        assert word not in shown


def test_analyse_without_a_recording_says_what_to_do(page):
    page.get_by_role("button", name="Analyse").click()
    page.locator("#alert[role=alert]", has_text="There is no recording yet").wait_for()
    wait_until_free(page)


@pytest.mark.parametrize(("name", "content"), [("notes.wav", b"this is text\n" * 40), ("empty.wav", b"")])
def test_bad_input_gives_one_sentence_and_the_page_works_on(page, tmp_path, tone, name, content):
    bad = tmp_path / name
    bad.write_bytes(content)
    upload(page, bad)
    page.get_by_role("button", name="Analyse").click()
    page.locator("#alert", has_text=name).wait_for()
    assert "Traceback" not in page.locator("body").inner_text()
    page.get_by_role("button", name="Cough").click()
    page.locator("#alert .alert").wait_for(state="detached")
    wait_for_result(page)


@pytest.mark.parametrize(
    ("error", "words"),
    [(MedAlignError("the concept bank is empty"), "concept bank"), (KeyError("x"), "not in your rec")],
)
def test_a_stage_that_fails_leaves_the_transcript_and_names_itself(browser, tone, error, words):
    engine = FakeEngine(page_fixtures.analysis(), fail_at="teacher", error=error)
    with fake_server(engine, [Example("Cough", "", tone)]) as url, watched_page(browser, url) as page:
        page.get_by_role("button", name="Cough").click()
        alert = page.locator("#alert", has_text=words)
        alert.wait_for()
        assert "reading the transcript for clinical concepts" in alert.inner_text()
        assert "Monday" in page.locator("#transcript").inner_text()
        assert "KeyError" not in page.locator("body").inner_text()
        wait_until_free(page)


def test_silence_is_a_state_of_its_own(browser, tone):
    with (
        fake_server(FakeEngine(page_fixtures.silent_analysis()), [Example("Cough", "", tone)]) as url,
        watched_page(browser, url) as page,
    ):
        page.get_by_role("button", name="Cough").click()
        wait_for_result(page)
        assert "No speech detected" in page.locator("#transcript").inner_text()
        wait_until_free(page)


def test_spoken_markup_stays_text(browser, tone):
    with (
        fake_server(FakeEngine(page_fixtures.hostile_analysis()), [Example("Cough", "", tone)]) as url,
        watched_page(browser, url) as page,
    ):
        page.get_by_role("button", name="Cough").click()
        wait_for_result(page)
        assert page.locator("#result img").count() == 0
        assert "${1+1} {{value}}" in page.locator("#transcript").inner_text()
        assert page.title() == "MedAlign"


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_no_accessibility_rule_of_wcag_2_2_aa_is_broken(browser, url, width, theme):
    with watched_page(browser, f"{url}/?__theme={theme}", viewport={"width": width, "height": 850}) as page:
        page.get_by_role("button", name="Cough").click()
        wait_for_result(page)
        page.locator("#details").get_by_role("button").first.click()
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = Axe().run(page, options={"runOnly": rules})
        assert not found.response["violations"], found.generate_report()


def test_own_concepts_reach_the_engine_or_are_refused_in_words(browser, tone):
    engine = FakeEngine(page_fixtures.analysis())
    with fake_server(engine) as url, watched_page(browser, url) as page:
        upload(page, tone)
        page.get_by_text("Look for your own concepts, too").click()
        page.locator("#custom textarea").fill("dawn phenomenon\ncough\n<b>odd</b>")
        page.get_by_role("button", name="Analyse").click()
        alert = page.locator("#alert")
        alert.get_by_text("line 2: 'cough' is taken by the bank's 'cough'").wait_for()
        assert not engine.asked
        page.locator("#custom textarea").fill("dawn phenomenon; high morning sugar\n<b>odd</b>")
        page.get_by_role("button", name="Analyse").click()
        alert.locator(".alert").wait_for(state="detached")  # a press clears the last complaint
        wait_for_result(page)
        assert [c.label for c in engine.asked] == ["dawn phenomenon", "<b>odd</b>"]
        assert engine.asked[0].synonyms == ("high morning sugar",)


def test_two_readers_never_see_each_others_result(browser, tone, tmp_path):
    @dataclass
    class NamesItsFile(FakeEngine):
        def stream(self, recording, custom=()):
            info = replace(self.result.recording, name=recording.name)
            yield from FakeEngine(replace(self.result, recording=info, warnings=(recording.name,))).stream(recording)

    files = [Path(shutil.copy(tone, tmp_path / name)) for name in ("first.wav", "second.wav")]
    with (
        fake_server(NamesItsFile(page_fixtures.analysis())) as url,
        watched_page(browser, url) as one,
        watched_page(browser, url) as two,
    ):
        for page, file in zip((one, two), files, strict=True):
            upload(page, file)
        for page in (one, two):
            page.get_by_role("button", name="Analyse").click()
        for page, file, other in ((one, *files), (two, *files[::-1])):
            wait_for_result(page)
            assert file.name in page.locator("#heading").inner_text()
            assert other.name not in page.locator("#result").inner_text()


def test_uploads_and_recordings_are_deleted_on_schedule(browser, tone, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr("medalign.ui.page.SCAN_S", 1)
    monkeypatch.setattr("medalign.ui.page.KEEP_S", 6)
    with fake_server(FakeEngine(page_fixtures.analysis())) as url, watched_page(browser, url) as page:
        upload(page, tone)
        page.get_by_role("button", name="Analyse").click()
        wait_for_result(page)
        deadline = time.monotonic() + 30
        while (left := [f for f in tmp_path.rglob("*") if f.is_file() and f.stat().st_size]) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert not left


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "aac"), (".webm", "libopus")])
def test_containers_that_browsers_call_video_are_welcome(page, tmp_path, suffix, codec):
    path = tmp_path / f"consultation{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 96_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame) + stream.encode(None))
    upload(page, path)
    page.get_by_role("button", name="Analyse").click()
    wait_for_result(page)


def test_cancel_frees_the_page(browser, tone):
    engine = FakeEngine(page_fixtures.analysis(), delay_s=3)  # a step is longer than a slow machine takes to press
    with fake_server(engine, [Example("Cough", "", tone)]) as url, watched_page(browser, url) as page:
        page.get_by_role("button", name="Cough").click()
        page.locator("#status", has_text="Writing down").wait_for()
        assert page.get_by_role("button", name="Analyse").is_disabled()
        page.locator("#cancel").click()
        page.locator("#status", has_text="Cancelled").wait_for()
        wait_until_free(page)
        page.wait_for_timeout(4000)  # longer than a step
        assert "Cancelled" in page.locator("#status").inner_text(), "nothing of the old run arrives later"


def test_a_recording_with_a_pause_has_no_gap(browser, url):
    """Its length is the time between the presses, by the page's own clock: how fast the machine presses doesn't matter."""
    with watched_page(browser, url, permissions=["microphone"]) as page:
        acknowledge(page)
        page.evaluate(
            """() => {
                window.presses = [];
                document.querySelector("#microphone").addEventListener(
                    "click", () => window.presses.push(performance.now() / 1000), { capture: true });
            }"""
        )
        microphone = page.locator("#microphone")
        microphone.get_by_role("button", name="Record").click()
        page.locator("#microphone-state", has_text="Sound arrives").wait_for()
        page.wait_for_timeout(3000)
        microphone.locator(".pause-button").click()
        page.wait_for_timeout(4000)
        microphone.locator(".resume-button").click()
        page.wait_for_timeout(3000)
        stop_recording(page)
        began_s, paused_s, resumed_s, stopped_s = page.evaluate("window.presses")
        page.get_by_role("button", name="Analyse").click()
        wait_for_result(page)
        assert "your recording" in page.locator("#heading").inner_text()
        duration_s = page.evaluate("document.querySelector('#player audio').duration")
        recorded_s = (paused_s - began_s) + (stopped_s - resumed_s)
        assert resumed_s - paused_s > 3.5 and duration_s == pytest.approx(recorded_s, abs=1.5)  # far from the pause's length


def test_the_api_returns_the_json_contract(url, tone):
    client = Client(url, verbose=False)
    assert list(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == ["/analyse"]
    answer = client.predict(handle_file(tone), True, api_name="/analyse")
    assert answer == json.loads(json.dumps(page_fixtures.analysis().to_dict()))


def test_the_api_reads_no_file_that_was_not_uploaded(url):
    """A raw request with a path on the server, as no client library would send it."""
    (endpoint,) = [d["id"] for d in httpx.get(f"{url}/config").json()["dependencies"] if d["api_name"] == "analyse"]
    for forged in ({"path": "/etc/passwd"}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}):
        body = {"data": [forged, True], "fn_index": endpoint, "session_hash": "forged"}
        httpx.post(f"{url}/gradio_api/queue/join", json=body).raise_for_status()
        with httpx.stream("GET", f"{url}/gradio_api/queue/data?session_hash=forged", timeout=30) as events:
            done = next(line for line in events.iter_lines() if "process_completed" in line)
        assert '"success":false' in done
        assert "passwd" not in done


def test_the_api_answers_bad_input_with_the_sentence(tone):
    engine = FakeEngine(page_fixtures.analysis(), fail_at="decode", error=MedAlignError("'x.wav' is empty; record again"))
    with fake_server(engine) as url, pytest.raises(AppError, match="'x.wav' is empty"):
        Client(url, verbose=False).predict(handle_file(tone), True, api_name="/analyse")
