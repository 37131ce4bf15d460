"""How long a reader waits, and how much the page sends: `python tests/page_times.py [OUT.json]`, on a quiet machine.

Not a test: times belong to one machine. `python app.py` runs as a user starts it, with the real models; what is
compared with the recogniser's own time is timed in the same run, after the page has been closed.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY), str(Path(__file__).parent)]

import page_fixtures
import soundfile
from browser import chromium, press_example, real_server, upload, wait_for_result, watched_page
from playwright.sync_api import sync_playwright

from medalign.core.audio import load_recording
from medalign.core.examples import load_examples
from medalign.core.provenance import PROVENANCE, provenance
from medalign.models.transcription import load_transcriber
from medalign.report.explanation_figures import shared_space
from medalign.report.figures import alignment_timeline, concept_heatmap

N_RUNS = 3
CLIP_S = 60
PAINTED = """() => { window.painted = undefined; document.addEventListener("click", () => {
    const started = performance.now();
    const wait = () => document.querySelector("#result-title:not([data-old])") && document.querySelector(".segment")
        ? (window.painted = performance.now() - started) : requestAnimationFrame(wait);
    wait();
}, { capture: true, once: true }); }"""


def measure(folder: Path) -> dict:
    example = load_examples()[2]
    clip = folder / "clip.wav"
    waveform, rate = soundfile.read(example.audio_path)
    soundfile.write(clip, waveform[: CLIP_S * rate], rate)
    started = time.perf_counter()
    with real_server(folder) as url, sync_playwright() as playwright, chromium(playwright) as browser:
        answers_s = time.perf_counter() - started
        painted_ms, transcript_s, total_s, weight = [], [], [], 0
        for _ in range(N_RUNS):
            with watched_page(browser, url) as page:
                page.wait_for_timeout(2000)  # an open event stream never lets the network be idle
                weight = page.evaluate("performance.getEntries().reduce((sum, e) => sum + (e.transferSize ?? 0), 0)")
                page.evaluate(PAINTED)
                press_example(page, example.title)
                page.wait_for_function("window.painted !== undefined")
                painted_ms.append(page.evaluate("window.painted"))
        with watched_page(browser, url) as page:  # models are loaded by the first analysis
            upload(page, clip)
            page.get_by_role("button", name="Analyse").click()
            wait_for_result(page)
        for _ in range(N_RUNS):
            with watched_page(browser, url) as page:
                upload(page, clip)
                begun = time.perf_counter()
                page.get_by_role("button", name="Analyse").click()
                page.locator("#status").filter(has_text="Listening for").or_(
                    page.locator("#status").filter(has_text="Reading the transcript")
                ).wait_for()
                transcript_s.append(time.perf_counter() - begun)
                wait_for_result(page)
                total_s.append(time.perf_counter() - begun)
    hour = page_fixtures.long_analysis()
    figures = sum(len(draw(hour).to_json()) for draw in (alignment_timeline, concept_heatmap, shared_space))
    return {
        "until_the_page_answers_s": round(answers_s, 1),
        "stored_example_press_to_drawn_ms": round(statistics.median(painted_ms)),
        "upload_60_s_press_to_whole_transcript_s": round(statistics.median(transcript_s), 2),
        "upload_60_s_press_to_result_s": round(statistics.median(total_s), 2),
        "recogniser_alone_60_s_s": round(recogniser_s(clip), 2),
        "first_visit_bytes": weight,
        "figures_of_an_hour_bytes": figures,
    }


def recogniser_s(clip: Path) -> float:
    transcriber, recording = load_transcriber("tiny.en"), load_recording(clip)
    times = []
    for _ in range(N_RUNS + 1):
        started = time.perf_counter()
        transcriber.transcribe(recording)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(Path(temporary))
    body = {PROVENANCE: provenance(), "runs": N_RUNS, **figures}
    text = json.dumps(body, indent=2)
    sys.stdout.write(text + "\n")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text + "\n")
