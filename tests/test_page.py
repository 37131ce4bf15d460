"""The page in a real browser, with a fake engine: every state it can be in. `test_page_end_to_end.py` has the real one."""

import json
import re
import shutil
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import av
import httpx
import numpy as np
import page_fixtures
import pytest
from browser import (
    FOLDS,
    LEAD_S,
    VIEWPORT,
    acknowledge,
    assert_accessible,
    assert_fits,
    n_pressable,
    open_pane,
    open_panel,
    press_example,
    show_example,
    stop_recording,
    stored_files,
    take_home,
    unfold,
    upload,
    visit,
    wait_for_result,
    wait_until_free,
    wait_until_playing_from,
)
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_fixtures import FakeEngine
from shared_page import LIVE, STORED

from medalign.core.errors import MedAlignError
from medalign.core.examples import analysis_path
from medalign.ui.session import KEEP_S
from medalign.ui.views.status_view import API


def seconds_of(locator) -> float:
    return float(locator.get_attribute("data-start"))


def test_the_page_says_what_it_is_before_anything_is_pressed(opened):
    page = opened
    assert page.get_by_role("heading", level=1).all_inner_texts() == ["MedAlign"]
    assert "Not a medical device" in page.locator(".banner[role=note]").inner_text()
    open_panel(page, "upload")
    assert "60 minutes" in page.locator("#inputs").inner_text().replace("\n", " ")
    assert "400 MB" in page.locator("#inputs").inner_text().replace("\n", " ")
    page.wait_for_function("document.activeElement.matches('#consent input')")
    page.keyboard.press("Escape")


def test_the_page_opens_with_a_stored_example_and_that_is_no_press(page, server, store):
    """Its result is part of the page that is sent; what a visit gets beside it are the sound and a session for questions."""
    sent = httpx.get(server.url).text
    assert "for three weeks" in sent and "result-title" in sent
    assert page.locator("#result-title").inner_text().startswith(STORED)
    assert page.locator(".example[aria-current=true]").all_inner_texts() == [STORED]
    assert "beforehand" in page.locator("#heading").inner_text() and not page.locator("#status").inner_text()
    page.locator("#overview .play.entry", has_text="Cough").click()
    wait_until_playing_from(page, 6.6, LEAD_S)
    page.locator("#phrase").get_by_role("textbox").fill("trouble sleeping")
    page.keyboard.press("Enter")
    page.locator("#hits li").first.wait_for()
    assert not server.engine.given and store.table("events").empty and store.table("ratings").empty


def test_labels_are_british_or_american_and_the_choice_stays(page):
    british, american = (page.locator("#overview .entry", has_text=label) for label in ("Dyspnoea", "Dyspnea"))
    british.wait_for()
    page.locator("#wording").click()
    american.wait_for()
    page.reload()
    american.wait_for()
    show_example(page, STORED)
    assert american.count() and not british.count()
    page.locator("#wording", has_text="Wording: US").click()
    british.wait_for()


def test_how_it_works_is_told_with_code_and_addresses(opened):
    page = opened
    page.get_by_role("button", name="How it works").click()
    assert "from medalign import Analyzer" in page.locator("#about pre code").first.inner_text()
    assert page.locator("#about a").count() == 3
    page.set_viewport_size({"width": 390, "height": 700})
    left, right = page.locator("#about").evaluate("e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right]")
    assert 0 <= left < right <= 390
    page.keyboard.press("Escape")
    assert not page.locator("#about").is_visible()


def test_a_menu_closes_when_the_keyboard_goes_on(shown):
    menu = shown.locator("details.menu", has=shown.get_by_text("Export ▾"))
    menu.locator("summary").press("Enter")
    assert menu.get_attribute("open") is not None
    shown.locator("#search-go").focus()
    assert menu.get_attribute("open") is None


def test_a_press_brings_the_focus_to_the_heading_of_its_result_and_that_into_view(page):
    for width, height, title in ((1440, 900, LIVE), (390, 700, STORED)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")
        show_example(page, title)
        page.wait_for_function("document.activeElement.id === 'result-title'")
        box = "document.querySelector('#result-title').getBoundingClientRect()"
        page.wait_for_function(f"{box}.top >= 0 && {box}.bottom <= innerHeight / 2")
        assert page.locator("#result-title").inner_text().startswith(title)


def test_the_first_screen_has_the_answer_without_scrolling(opened):
    """At 1440 x 900: what it means and what was said, at most 2 screens in all, and at most 120 things to press."""
    page = opened
    for part in (
        "#player",
        "#strip canvas",
        "#overview li",
        "#overview .summary dl > div:first-of-type",
        "#transcript .segment",
    ):
        box = page.locator(part).first.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900, part
    assert page.evaluate("document.documentElement.scrollHeight") <= 2 * 900
    assert n_pressable(page) <= 120


@pytest.mark.parametrize("n", [1, pytest.param(None, marks=pytest.mark.slow)])
def test_no_example_has_more_than_120_things_to_press(page, server, examples, n):
    """A pencil shows itself where the pointer or the focus is, and where it plays. At each push of the fullest of them."""
    results = [analysis_path(example.audio_path) for example in examples.values()]
    for path in sorted(results, key=lambda path: -path.stat().st_size)[:n]:
        server.stored.write_bytes(path.read_bytes())
        show_example(page, STORED)
        page.mouse.move(0, 0)
        assert n_pressable(page) <= 120, path.name
        page.set_viewport_size({"width": 1366, "height": 757})
        page.evaluate("scrollTo(0, 0)")
        taken = page.locator("#overview dl > div", has_text="Medicines").bounding_box()
        assert taken and taken["y"] + taken["height"] <= 757, f"{path.name}: what is taken is seen in a low window"
        page.set_viewport_size(VIEWPORT)
    assert not page.locator(".segment [data-edit]:visible").count()
    page.locator(".segment .time").first.focus()
    assert page.locator(".segment [data-edit]:visible").count() == 1
    page.keyboard.press("e")
    page.locator(".segment").first.locator(".edit-form textarea:focus").wait_for()


def test_who_is_refused_or_cancels_goes_on_where_they_were(page, server, tmp_path):
    broken = tmp_path / "notes.wav"
    broken.write_bytes(b"this is text\n" * 40)
    upload(page, broken)
    page.get_by_role("button", name="Analyse").click()
    page.locator("#alert .alert", has_text=broken.name).wait_for()
    assert "Traceback" not in page.locator("body").inner_text()
    page.wait_for_function("document.activeElement.id === 'analyse'")
    server.engine = FakeEngine(page_fixtures.analysis(), hold_at="transcribe")
    press_example(page, LIVE)
    page.locator("#alert .alert").wait_for(state="detached")
    page.locator("#transcript .is-partial .segment").first.wait_for()
    page.locator("#status", has_text="Writing down").wait_for()
    assert page.locator("#analyse").is_disabled()
    assert not page.locator("#search, #fold-concepts, #feedback").filter(visible=True).count(), "nothing is in them yet"
    page.locator("#cancel").click()
    page.locator("#status", has_text="Cancelled").wait_for()
    page.wait_for_function("document.activeElement.matches('#status [data-again]')")
    assert page.locator("#transcript .segment").count(), "what was written stays"
    wait_until_free(page)
    server.engine.let_go()
    page.wait_for_timeout(1000)
    assert "Cancelled" in page.locator("#status").inner_text(), "nothing of the old run arrives later"
    assert "Cancelled" in page.locator("#overview").inner_text() and "as soon as" not in page.locator("#overview").inner_text()
    server.engine = FakeEngine(page_fixtures.analysis())
    page.locator("#status").get_by_role("button", name="Analyse again").click()
    wait_for_result(page)
    assert page.locator("#result-title[data-state=finished]").inner_text().startswith(LIVE)


@pytest.mark.parametrize(
    ("theme", "width", "other"), [("light", 1440, 390), pytest.param("dark", 390, 1440, marks=pytest.mark.slow)]
)
def test_figures_are_drawn_everything_fits_and_no_accessibility_rule_is_broken(tab, server, theme, width, other):
    """In a page that is opened at one width and resized to another."""
    tab.set_viewport_size({"width": width, "height": 850})
    with visit(tab, f"{server.url}/?__theme={theme}") as page:
        wait_for_result(page)
        assert_fits(page, f"{width} wide, folded")
        unfold(page, *FOLDS)
        assert_figures_are_drawn(page)
        assert_fits(page, f"{width} wide")
        open_panel(page, "upload")
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        assert_accessible(page, "best-practice", impacts=("minor", "moderate", "serious", "critical"))
        page.set_viewport_size({"width": other, "height": 850})
        assert_fits(page, f"{other} wide")
        open_pane(page, "more")
        assert_figures_are_drawn(page)


def assert_figures_are_drawn(page) -> None:
    page.locator("#heatmap .heatmaplayer image").wait_for(state="attached")
    image = page.locator("#heatmap .heatmaplayer image").bounding_box()
    assert image["width"] > 50 and image["height"] > 100
    line = page.locator("#timeline .scatterlayer .js-line").first.bounding_box()
    assert line["width"] > 50 and line["height"] > 50
    assert page.locator("#timeline .scatterlayer .point").count() >= 8


def test_the_figures_axis_is_the_players_clock(shown):
    duration = shown.evaluate("document.querySelector('#player audio').duration")
    figures = "#timeline .js-plotly-plot, #heatmap .js-plotly-plot"
    ranges = shown.evaluate(f"[...document.querySelectorAll('{figures}')].map(p => p._fullLayout.xaxis.range)")
    assert ranges == [[0, duration]] * 2


def test_a_press_on_a_word_plays_from_that_word_and_stops_at_the_end(shown):
    word = shown.locator(".word", has_text="Monday")
    word.click()
    wait_until_playing_from(shown, seconds_of(word))
    end = float(shown.locator(".segment", has=word).get_attribute("data-end"))
    shown.wait_for_function("document.querySelector('#player audio').paused", timeout=15_000)
    stopped = shown.evaluate("document.querySelector('#player audio').currentTime")
    assert end - 0.1 <= stopped <= end + 1.0, "browsers tell the time every 0.25 s, a busy one less often"


def test_a_press_on_a_row_plays_its_evidence(shown):
    row = shown.locator("tr.row", has_text="Asthma")
    row.locator("strong").click()
    wait_until_playing_from(shown, seconds_of(row), LEAD_S)
    shown.locator(".segment.is-current", has_text="asthma").wait_for()


def test_a_press_on_a_point_of_the_timeline_plays_its_window(shown):
    point = shown.locator("#timeline .scatterlayer .point").nth(3)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    shown.mouse.move(box["x"] + 1, box["y"] + 1)
    shown.locator("#timeline .hoverlayer .hovertext").wait_for()  # plotly clicks on what it shows as hovered
    shown.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_until_playing_from(shown, page_fixtures.analysis().alignment.windows[3].start_s)


@pytest.fixture
def strip(shown):
    """The picture of the recording, and where on it a second lies."""
    canvas = shown.locator("#strip canvas")
    canvas.scroll_into_view_if_needed()

    def x_of(second: float) -> float:
        return shown.evaluate("s => window.medalignStripPlace().x(s)", second)

    return canvas, x_of


def test_a_press_on_the_picture_plays_from_there_and_on_a_mark_what_it_marks(shown, strip):
    canvas, x_of = strip
    height = canvas.bounding_box()["height"]
    canvas.click(position={"x": x_of(40.0), "y": height - 3})
    wait_until_playing_from(shown, 40.0)
    mention = shown.locator(".mention", has_text="asthma")
    top = shown.evaluate("window.medalignStripPlace().top")
    canvas.hover(position={"x": x_of(seconds_of(mention) + 0.2), "y": top - 1})
    told = shown.locator("#strip .tip")
    assert "Asthma, family: in the words, not recognised in the sound alone" in told.inner_text()
    canvas.click(position={"x": x_of(seconds_of(mention) + 0.2), "y": top - 1})
    wait_until_playing_from(shown, seconds_of(mention), LEAD_S)
    shown.locator(".segment.is-current", has_text="asthma").wait_for()


def test_the_picture_is_a_slider_for_the_keyboard(shown):
    strip = shown.locator("#strip .strip")
    strip.focus()
    shown.evaluate("document.querySelector('#player audio').currentTime = 10")
    for key, second in (("ArrowRight", 15), ("ArrowLeft", 10), ("PageDown", 40), ("Home", 0)):
        shown.keyboard.press(key)
        shown.wait_for_function("s => Math.abs(document.querySelector('#player audio').currentTime - s) < 0.2", arg=second)
    shown.keyboard.press("Enter")
    shown.wait_for_function("!document.querySelector('#player audio').paused")
    shown.get_by_role("button", name="Pause", exact=True).wait_for()
    shown.keyboard.press(" ")
    shown.wait_for_function("document.querySelector('#player audio').paused")
    assert strip.get_attribute("aria-valuetext").startswith("0:0")


def test_the_list_for_the_ear_and_the_picture_count_alike(shown):
    listed = shown.locator(".ear li")
    n = listed.count()
    assert shown.locator("#ear-title").inner_text() == f"Use your ear ({n})" and n >= 4
    assert f"use your ear ({n})" in shown.locator("#strip").inner_text()
    drawn = shown.evaluate("JSON.parse(document.querySelector('.strip').dataset.strip).ear")
    assert [place[0] for place in drawn] == [round(seconds_of(row.locator("button.play")), 1) for row in listed.all()]
    assert "amoxicillin" in listed.first.inner_text(), "a medicine comes first"


def test_arrow_keys_walk_the_words_of_a_segment(shown):
    shown.locator(".segment .time").nth(1).focus()
    for _ in range(3):
        shown.keyboard.press("ArrowRight")
    word = shown.locator(".word:focus")
    assert word.inner_text() == "had"
    shown.keyboard.press("Enter")
    wait_until_playing_from(shown, seconds_of(word))


def test_status_and_trigger_stand_in_the_table_and_in_the_transcript(shown):
    row = shown.locator("tr.row", has_text="Dyspnoea").inner_text()
    assert "Denied" in row and "no" in row
    assert shown.locator(".mention-family", has_text="asthma").count() == 1
    sections = shown.locator(".section-title").all_inner_texts()
    assert sections[0].startswith("Present"), "what the patient has comes first"


def test_faint_hints_are_folded_away(shown):
    hint = shown.locator("tr.row", has_text="Hip pain")
    assert not hint.is_visible()
    assert "only the sound (1)" in shown.locator("#strip").inner_text()
    shown.get_by_text("1 faint hint in the sound only").click()
    hint.locator("button.play").click()
    wait_until_playing_from(shown, 20.0, LEAD_S)
    shown.get_by_text("1 faint hint in the sound only").click()
    hint.wait_for(state="hidden")


def test_clinicians_read_no_decimals_and_no_jargon(shown):
    words = "".join(
        shown.locator(f"#{part}").inner_text()
        for part in ("findings", "heading", "overview", "fold-concepts", "fold-depth", "fold-numbers")
    )
    assert "about 8 in 10" in words and "not recognised" in words
    for jargon in ("cosine", "cka", "logit", "0.9", "0.6", "teacher", "student", "witness"):
        assert jargon not in words.lower()


def test_the_keyboard_reaches_result_and_transcript_at_once_and_leaves_the_own_panel(shown):
    page = shown
    page.locator("body").focus()
    for n_tabs, target in ((1, "#result-title"), (2, ".segments")):
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.locator(".skip a").first.focus()
        for _ in range(n_tabs - 1):
            page.keyboard.press("Tab")
        assert page.locator(".skip a:focus").bounding_box()["height"] >= 24, "a link in focus is seen"
        page.keyboard.press("Enter")
        assert page.evaluate("target => document.activeElement.matches(target)", target)
    open_panel(page, "upload")
    page.wait_for_function("document.activeElement.matches('#consent input')")
    page.keyboard.press("Escape")
    assert not page.locator("#own").is_visible()
    assert page.evaluate("document.activeElement.dataset.panel") == "upload", "the focus is where the reader came from"


def test_a_phone_begins_with_what_is_to_be_heard_and_says_how_much_that_is(opened):
    page = opened
    page.set_viewport_size({"width": 390, "height": 844})
    panes = page.locator(".panes button").all_inner_texts()
    assert [pane.split(" (")[0] for pane in panes] == ["Use your ear", "Summary", "Transcript", "More"]
    assert page.locator(".ear").is_visible() and not page.locator("#meaning .summary").is_visible()
    more, height = page.locator("#strip .names"), "document.querySelector('#strip canvas').offsetHeight"
    more.wait_for()  # drawn anew for the narrow window: in the wide one all may find room
    assert re.fullmatch(r"\+[1-9]\d* more names?", more.inner_text()), "names that find no room are counted"
    before = page.evaluate(height)
    more.press("Enter")
    assert more.inner_text() == "Fewer names" and page.evaluate(height) > before
    more.press("Enter")
    n = page.locator("#ear-title .n").text_content()
    page.get_by_role("button", name="Summary", exact=True).click()
    assert page.locator("#meaning .summary").is_visible() and not page.locator(".ear").is_visible()
    page.get_by_role("button", name=f"Use your ear {n}").click()
    assert page.locator(".ear .hint").is_visible(), "which says what the list is"
    assert n == f"({page.locator('.ear li:visible').count()})", "on a phone the whole list is there"
    page.evaluate("window.medalignPlay(38.5, 40)")  # while the transcript is hidden
    page.locator(".segment.is-current").wait_for(state="attached")
    page.locator("#player audio").evaluate("player => player.pause()")
    page.get_by_role("button", name="Transcript", exact=True).click()
    page.wait_for_function("""() => {
        const { top, bottom } = document.querySelector(".segment.is-current").getBoundingClientRect();
        return top > document.querySelector("#panes").getBoundingClientRect().bottom && bottom < innerHeight;
    }""")
    page.set_viewport_size(VIEWPORT)


@pytest.mark.slow  # at each push: `test_who_is_refused_or_cancels_goes_on_where_they_were`
def test_bad_input_gives_one_sentence_and_the_page_works_on(page, tmp_path):
    bad = tmp_path / "empty.wav"
    bad.touch()
    upload(page, bad)
    page.get_by_role("button", name="Analyse").click()
    page.locator("#alert", has_text=bad.name).wait_for()
    assert "Traceback" not in page.locator("body").inner_text()
    press_example(page, LIVE)
    page.locator("#alert .alert").wait_for(state="detached")
    wait_for_result(page)


def test_spoken_markup_stays_text(page, server):
    server.engine = FakeEngine(page_fixtures.hostile_analysis())
    show_example(page, LIVE)
    assert page.locator("#result img").count() == 0
    assert "${1+1} {{value}}" in page.locator("#transcript").inner_text()
    assert page.title() == "MedAlign"
    wait_until_free(page)
    silence_is_a_state_of_its_own(page, server)


def silence_is_a_state_of_its_own(page, server):
    """On the same page: to open it anew costs seconds."""
    unfold(page, "depth")
    page.locator("#map .js-plotly-plot").wait_for()
    server.engine = FakeEngine(page_fixtures.silent_analysis())
    show_example(page, LIVE)
    assert "No speech detected" in page.locator("#transcript").inner_text()
    wait_until_free(page)
    page.get_by_text("Too few segments for a map.").wait_for()
    for figure in ("timeline", "heatmap", "map"):
        page.locator(f"#{figure} .js-plotly-plot").wait_for(state="detached")
        page.wait_for_function(f"document.querySelector('#{figure}').getBoundingClientRect().height < 5")
        assert not page.locator(f"#{figure}").is_visible(), "an empty frame says nothing"


def a_recording_is_called_what_its_reader_calls_it(page, server, tone, tmp_path):
    """A browser sends a quote as %22, and Gradio leaves out what Windows can't have in a name."""
    name = """it's "50%": Grüße, <b>a%20b?.wav"""
    full = page_fixtures.analysis()
    server.engine = FakeEngine(replace(full, recording=replace(full.recording, name=name)))  # as the real one has it
    upload(page, Path(shutil.copy(tone, tmp_path / name)))
    page.get_by_role("button", name="Analyse").click()
    wait_for_result(page)
    assert server.engine.given[0].name == name
    assert page.locator("#result-title").inner_text().startswith(name)
    with page.expect_download() as download:
        take_home(page, "JSON")
    assert json.loads(Path(download.value.path()).read_text())["recording"]["name"] == name


def write_silence(path: Path, codec: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 96_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame) + stream.encode(None))
    return path


def test_an_upload_gives_transcript_and_table_and_own_concepts_reach_the_engine(page, server, tmp_path):
    """In a container that browsers call video. A line that can't be used is told, and stops nothing; one that the bank has adds
    its wording."""
    upload(page, write_silence(tmp_path / "consultation.mp4", "aac"))
    page.get_by_text("Look for your own concepts, too").click()
    page.locator("#custom textarea").fill("dawn phenomenon; high morning sugar\n;nothing\ncough; dog bark\n<b>odd</b>")
    page.get_by_role("button", name="Analyse").click()
    wait_for_result(page)
    page.locator("#heading").get_by_text("left out: line 2: the label is empty").wait_for()
    assert [c.label for c in server.engine.asked] == ["dawn phenomenon", "cough", "<b>odd</b>"]
    assert server.engine.asked[0].synonyms == ("high morning sugar",) and "dog bark" in server.engine.asked[1].synonyms
    assert "shortness of breath" in page.locator("#transcript").inner_text()
    unfold(page, "concepts")
    page.locator("table.concepts").first.wait_for()  # Gradio opens a fold first and fills it then
    assert page.locator("table.concepts").first.locator("tr.row").count() == 7
    wait_until_free(page)
    page.locator("#cancel").wait_for(state="hidden")


def test_uploads_and_recordings_are_deleted_on_schedule(
    page, server, tone, tmp_path, gradio_folder, shown_result, opened_page, monkeypatch
):
    """An hour later by Gradio's clock, at its next look."""
    before = stored_files(gradio_folder)
    a_recording_is_called_what_its_reader_calls_it(page, server, tone, tmp_path)
    assert {path.suffix for path in stored_files(gradio_folder) - before} >= {".wav", ".json"}
    for shared in (shown_result, opened_page):
        shared.discard()  # goes with them

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(seconds=KEEP_S)

    monkeypatch.setattr("gradio.route_utils.datetime", Later)
    monkeypatch.setattr("gradio.state_holder.datetime", SimpleNamespace(datetime=Later))
    deadline = time.monotonic() + 30
    while stored_files(gradio_folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not stored_files(gradio_folder)


@pytest.mark.slow
def test_another_container_that_browsers_call_video_is_welcome(page, tmp_path):
    upload(page, write_silence(tmp_path / "consultation.webm", "libopus"))
    page.get_by_role("button", name="Analyse").click()
    wait_for_result(page)


@pytest.mark.slow
def test_a_cancelled_run_that_ends_late_says_nothing_of_the_next(page, server):
    """It is at a step that takes as long as it takes; by its end the reader has begun another, which can be stopped, too."""
    first = server.engine = FakeEngine(page_fixtures.analysis(), hold_at="transcribe")
    press_example(page, LIVE)
    page.locator("#status", has_text="Writing down").wait_for()
    page.locator("#cancel").click()
    wait_until_free(page)
    second = server.engine = FakeEngine(page_fixtures.analysis(), hold_at="transcribe")
    press_example(page, LIVE)
    page.locator("#status", has_text="Waiting: 1 before you").wait_for()
    first.let_go()
    page.locator("#status", has_text="Writing down").wait_for()
    page.wait_for_timeout(500)
    assert "Writing down" in page.locator("#status").inner_text()
    assert page.locator("#analyse").is_disabled()
    page.locator("#cancel").click()
    page.locator("#status", has_text="Cancelled").wait_for()
    show_example(page, STORED)
    second.let_go()
    page.wait_for_timeout(500)
    assert "Finished" in page.locator("#status").inner_text()
    assert page.locator("#result-title[data-state=finished]").inner_text().startswith(STORED), "it is the finished one"


@pytest.mark.usefixtures("microphone")
def test_a_recording_with_a_pause_has_no_gap(page):
    """Its length is the time between the presses, by the page's own clock: how fast the machine presses doesn't matter."""
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
    page.wait_for_function("document.activeElement.matches('#microphone .stop-button')")  # what comes next has the focus
    page.wait_for_timeout(800)
    microphone.locator(".pause-button").click()
    page.wait_for_timeout(3500)
    microphone.locator(".resume-button").click()
    page.wait_for_timeout(800)
    stop_recording(page)
    began_s, paused_s, resumed_s, stopped_s = page.evaluate("window.presses")
    page.get_by_role("button", name="Analyse").click()
    wait_for_result(page)
    assert "your recording" in page.locator("#heading").inner_text()
    duration_s = page.evaluate("document.querySelector('#player audio').duration")
    recorded_s = (paused_s - began_s) + (stopped_s - resumed_s)
    assert resumed_s - paused_s > 3 and duration_s == pytest.approx(recorded_s, abs=1.5)  # far from the pause's length


def test_the_api_returns_the_json_contract(server, tone):
    client = Client(server.url, verbose=False)
    assert set(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == {"/analyse", "/check"}
    answer = client.predict(handle_file(tone), True, api_name="/analyse")
    assert answer == json.loads(json.dumps(page_fixtures.analysis().to_dict()))


def test_the_page_shows_how_another_program_asks_it(server, tone, capsys):
    address = API.replace("http://localhost:7860", server.url).replace("consultation.wav", str(tone))
    exec(compile(address, "page", "exec"), {})
    assert "('Cough', 'present')" in capsys.readouterr().out


def test_the_api_checks_a_note_or_compares_two(server, tone):
    client = Client(server.url, verbose=False)
    one = client.predict(handle_file(tone), "PMH: asthma\nNever said", True, api_name="/check")
    assert [s["verdict"] for s in one["statements"]] == ["supported", "supported"]
    two = client.predict(handle_file(tone), "PMH: asthma", True, "PMH: asthma\nA wrong dose", api_name="/check")
    assert two["comparison"]["more_unsupported"] == 1 and len(two["notes"]) == 2
    with pytest.raises(AppError, match="no note given"):
        client.predict(handle_file(tone), " ", True, api_name="/check")


def test_the_api_reads_no_file_that_was_not_uploaded(server):
    """A raw request with a path on the server, as no client library would send it."""
    (endpoint,) = [d["id"] for d in httpx.get(f"{server.url}/config").json()["dependencies"] if d["api_name"] == "analyse"]
    for forged in ({"path": "/etc/passwd"}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}):
        body = {"data": [forged, True], "fn_index": endpoint, "session_hash": "forged"}
        httpx.post(f"{server.url}/gradio_api/queue/join", json=body).raise_for_status()
        with httpx.stream("GET", f"{server.url}/gradio_api/queue/data?session_hash=forged", timeout=30) as events:
            done = next(line for line in events.iter_lines() if "process_completed" in line)
        assert '"success":false' in done
        assert "passwd" not in done


def test_the_api_answers_bad_input_with_the_sentence(server, tone):
    error = MedAlignError("'x.wav' is empty; record again")
    server.engine = FakeEngine(page_fixtures.analysis(), fail_at="decode", error=error)
    with pytest.raises(AppError, match="'x.wav' is empty"):
        Client(server.url, verbose=False).predict(handle_file(tone), True, api_name="/analyse")
