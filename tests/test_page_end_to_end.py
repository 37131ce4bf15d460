"""`python app.py` as a user starts it, with the real models, in a real browser."""

import re
import shutil
import wave

import numpy as np
import pytest
import soundfile
from browser import (
    LEAD_S,
    acknowledge,
    chromium,
    hearing,
    open_form,
    press_example,
    real_server,
    stop_recording,
    unfold,
    upload,
    visit,
    wait_for_result,
    wait_until_playing_from,
    watched_page,
)
from gradio_client import Client, handle_file

from medalign.core.analysis import DISCLAIMER

pytestmark = pytest.mark.filterwarnings("ignore")
# When the browser's recorder did what: on a busy machine that is seconds after the press.
NOTE_RECORDER = """() => {
    window.began = {};
    for (const act of ["start", "pause", "resume", "stop"]) {
        const original = MediaRecorder.prototype[act];
        MediaRecorder.prototype[act] = function (...given) {
            began[act] ??= performance.now() / 1000;
            return original.apply(this, given);
        };
    }
}"""


@pytest.fixture(scope="module")
def example(examples):
    return examples["cough-and-wheeze"]


@pytest.fixture(scope="module")
def spoken_wav(example, cut, tmp_path_factory):
    """What is uploaded, and what the browser's microphone hears: the example's beginning, as the WAV that Chromium wants.

    More than the recogniser takes at once, so that it writes while it still listens.
    """
    return shutil.copy(cut(example.slug, 0.0, 31.5), tmp_path_factory.mktemp("microphone") / "spoken.wav")


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def url(temporary):
    with real_server(temporary) as address:
        yield address
    assert not list(temporary.glob("medalign-*")), "the folder with the recordings must go with the process"
    assert not list(temporary.rglob("*.wav"))


@pytest.fixture
def page(tab, url):
    with visit(tab, url) as opened:
        yield opened


@pytest.fixture
def heard_page(playwright, spoken_wav, url):
    """The page in a browser whose microphone hears a consultation."""
    with (
        chromium(playwright, *hearing(spoken_wav)) as launched,
        watched_page(launched, url, permissions=["microphone"]) as opened,
    ):
        yield opened


def test_one_press_on_an_example_gives_evidence_that_plays(page, example):
    press_example(page, example.title)
    wait_for_result(page)
    unfold(page, "concepts", "depth")
    assert "cough" in page.locator("#transcript").inner_text().lower()
    row = page.locator("tr.row[data-start]", has_text="Cough").first
    button = row.locator("button.play").first
    button.click()
    wait_until_playing_from(page, float(button.get_attribute("data-start")), LEAD_S)
    page.locator("#heatmap .heatmaplayer image").wait_for(state="attached")
    assert page.locator("#timeline .scatterlayer .point").count() > 3


def test_an_upload_is_analysed_and_its_segments_arrive_while_it_works(page, spoken_wav):
    upload(page, spoken_wav)
    page.get_by_role("button", name="Analyse").click()
    page.locator("#overview .audio-preview").wait_for(timeout=120_000)
    page.locator(".transcript.is-partial .segment").first.wait_for(timeout=120_000)
    assert page.locator("#progress progress").count() == 1
    wait_for_result(page)
    unfold(page, "concepts")
    assert page.locator("table.concepts tr.row").count() > 0


@pytest.mark.slow
def test_words_are_changed_explained_and_searched_for(page, example):
    """The real models behind a stored result: concepts follow an edit, a phrase is found where it was said."""
    press_example(page, example.title)
    wait_for_result(page)
    segment = page.locator(".segment", has_text="three weeks").first
    start = float(segment.get_attribute("data-start"))
    index = segment.locator("[data-edit]").get_attribute("data-edit")
    open_form(segment)
    page.locator(".edit-form textarea").fill(page.locator(".edit-form textarea").input_value() + " And I have a headache.")
    page.get_by_role("button", name="Save, and read again").click()
    unfold(page, "concepts")
    page.locator("tr.row", has_text="eadache").first.wait_for(timeout=120_000)
    assert page.locator(".segment").nth(int(index)).locator(".badge", has_text="edited").count() == 1
    page.locator("#phrase").get_by_role("textbox").fill("coughing for weeks")
    page.locator("#search-go").click()
    hit = page.locator("#hits .heard").first
    hit.wait_for(timeout=60_000)
    places = [float(b.get_attribute("data-start")) for b in page.locator("#hits .heard").all()[:2]]
    assert any(abs(place - start) <= 6 for place in places)
    open_form(page.locator(".segment").nth(int(index)))
    page.locator(".edit-form [data-send=why]").click()
    page.locator("#words-time .heatmaplayer image").wait_for(state="attached", timeout=60_000)
    assert re.search("fits (well|less well|poorly)|does not fit", page.locator("#why").inner_text(), re.IGNORECASE)


@pytest.mark.slow
def test_a_stored_result_is_there_at_once_and_waits_for_no_model(page, example):
    """No stage of an analysis between the press and the whole result; `tests/page_times.py` measures how long it takes."""
    page.evaluate(
        """() => {
            window.statuses = [];
            const status = document.querySelector("#status");
            new MutationObserver(() => window.statuses.push(status.innerText.trim()))
                .observe(status, { childList: true, subtree: true, characterData: true });
        }"""
    )
    press_example(page, example.title)
    wait_for_result(page)
    unfold(page, "concepts", "depth")
    page.locator("#timeline .scatterlayer .point").first.wait_for(state="attached")
    page.locator("table.concepts tr.row").first.wait_for()
    statuses = page.evaluate("window.statuses")
    assert statuses and not any("models" in status or "Listening" in status or "Writing" in status for status in statuses)
    assert "analysed beforehand" in page.locator("body").inner_text()


@pytest.mark.slow
def test_a_microphone_recording_with_a_pause_is_analysed(heard_page):
    acknowledge(heard_page)
    microphone = heard_page.locator("#microphone")
    heard_page.evaluate(NOTE_RECORDER)
    microphone.get_by_role("button", name="Record").click()
    heard_page.wait_for_timeout(4000)
    microphone.locator(".pause-button").click()
    heard_page.wait_for_timeout(2000)
    microphone.locator(".resume-button").click()
    heard_page.wait_for_timeout(3000)
    stop_recording(heard_page)
    began = heard_page.evaluate("window.began")
    heard_page.get_by_role("button", name="Analyse").click()
    wait_for_result(heard_page)
    without_pause_s = began["pause"] - began["start"] + began["stop"] - began["resume"]
    assert heard_page.evaluate("document.querySelector('#player audio').duration") == pytest.approx(without_pause_s, abs=1)
    assert heard_page.locator(".segment .word").count() > 5


@pytest.mark.slow
def test_silence_says_so(page, tmp_path):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(160_000), 16_000)
    upload(page, path)
    page.get_by_role("button", name="Analyse").click()
    wait_for_result(page)
    assert "No speech detected" in page.locator("#transcript").inner_text()
    assert page.locator(".segment").count() == 0


@pytest.mark.slow
def test_a_recording_beyond_the_limit_is_refused_at_once(page, tmp_path):
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:  # 61 minutes at 8 kHz, 8 bit: 29 MB
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes([128]) * (61 * 60 * 8000))
    upload(page, path)
    page.get_by_role("button", name="Analyse").click()
    page.locator("#alert", has_text="limit is 60 minutes").wait_for(timeout=5000)


@pytest.mark.slow  # at each push: the upload above, and `test_the_api_returns_the_json_contract` of a fake engine
def test_the_api_returns_the_contract(url, example, cut):
    recording = handle_file(cut(example.slug, 0.0, 14.4))
    answer = Client(url, verbose=False).predict(recording, True, api_name="/analyse")
    assert answer["disclaimer"] == DISCLAIMER
    assert {"schema_version", "recording", "models", "transcript", "concepts", "alignment", "warnings", "timings_s"} <= set(
        answer
    )
    assert any(concept["label"].lower().startswith("cough") for concept in answer["concepts"])
