"""The page: what stands where, and which press calls what."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from medalign.core.analysis import Analysis
from medalign.core.apart import load_apart
from medalign.core.audio import MAX_BYTES
from medalign.core.errors import MedAlignError
from medalign.feedback.reliability import Reliability
from medalign.feedback.store import FeedbackStore
from medalign.ui import consent
from medalign.ui.audit import audit
from medalign.ui.door import OneLine, Page
from medalign.ui.engine import Comparing, Engine, Models
from medalign.ui.failures import Failure, caught
from medalign.ui.files import keep_schedule, own_uploads
from medalign.ui.presses import Presses
from medalign.ui.run import Run
from medalign.ui.session import KEEP_S, forget
from medalign.ui.session_holder import forget_sessions
from medalign.ui.stored import pair
from medalign.ui.tabs import compare_tab
from medalign.ui.tabs.analyse_tab import AnalyseTab
from medalign.ui.tabs.body_sounds_tab import BodySoundsTab
from medalign.ui.tabs.feedback_panel import FeedbackPanel
from medalign.ui.tabs.note_tab import NoteTab, note_api
from medalign.ui.tabs.own_recording import Example
from medalign.ui.tabs.results_tab import ResultsTab
from medalign.ui.tabs.stored_pair import stored_pair
from medalign.ui.views import status_view
from medalign.ui.wiring import OWN_QUEUE, bridge, html

STATIC = Path(__file__).parent / "static"
STYLES = (
    "page.css",
    "result.css",
    "concepts.css",
    "parts.css",
    "sounds.css",
    "note.css",
)  # in this order: later ones take precedence
SCRIPTS = (
    "layout.js",
    "player.js",
    "picture.js",
    "strip.js",
    "page.js",
    "leaving.js",
    "remaining.js",
    "rating.js",
    "compare.js",
    "card.js",
    "microphone.js",
    "shortcuts.js",
    "sounds.js",
    "note.js",
)
MAX_PRESSES = 256  # that Gradio holds; none of them waits for a model, so only a flood gets there
LOOK_FOR_WORK_S = 0.01  # Gradio's own, a thousand times a second, takes a twentieth of a core from the models at any time
SCAN_S = 600  # uploads vanish within KEEP_S + SCAN_S


def build_app(
    load_engine: Callable[[], Engine],
    examples: Sequence[Example] = (),
    *,
    store: FeedbackStore | None = None,
    comparing: Comparing | None = None,
    takes_recordings: bool = True,
    reliability: tuple[Reliability, ...] = (),
) -> Page:
    """The page, unlaunched.

    Args:
        load_engine: called at the first analysis, not before.
        store: where feedback goes; without one, feedback is switched off and the page says so.
        comparing: which models may be compared; without it, none.
        takes_recordings: whether readers may record and upload; else they have the examples.
        reliability: of the models' probabilities, where it was measured.
    """
    models, presses = Models(load_engine), Presses()
    with Page(title="MedAlign", analytics_enabled=False, delete_cache=(SCAN_S, KEEP_S)) as page:
        html(status_view.HEADER)
        deleted = bridge("delete")
        session = gr.State(None, time_to_live=KEEP_S, delete_callback=forget)
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Analyse", id="analyse"):
                analyse = AnalyseTab(models, examples, session, store, takes_recordings, deleted)
                page.unload(analyse.left)
                receipt = FeedbackPanel(store, analyse.places, presses).receipt
            with gr.Tab("Check a note", id="note"):
                NoteTab(models, session, store, presses, deleted, receipt)
            with gr.Tab("Compare", id="compare"):
                if shown := pair(examples):
                    stored_pair(shown)
                if comparing is not None:
                    given = session, presses, examples, deleted, receipt
                    tab = compare_tab.CompareTab(comparing, models.analyses, *given)
                    page.unload(tab.left)
                else:
                    html(compare_tab.OFF)
            with gr.Tab("Body sounds", id="sounds"):
                BodySoundsTab(models, store, takes_recordings)
            with gr.Tab("Results", id="results") as results:
                ResultsTab(store, results, reliability)
        html(status_view.help(takes_recordings))
        if takes_recordings:
            _api(models, store)
    keep_schedule(page)
    own_uploads()
    forget_sessions()
    return _queued(page)


def _queued(page: Page) -> Page:
    page.queue(default_concurrency_limit=2, max_size=MAX_PRESSES)
    page._queue.sleep_when_free = LOOK_FOR_WORK_S
    return page


def launch_options(hosts: Sequence[str] = ("*",)) -> dict:
    """Everything `launch()` needs besides the address. Nothing here makes the browser ask another host.

    Args:
        hosts: names under which the page answers; `*.` stands for anything before a name, `*` for any name.
    """
    scripts = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    return {
        "app_kwargs": {"middleware": [trusted, Middleware(OneLine)]},
        "run_history": False,  # Gradio would keep inputs and results in the browser's storage
        "max_file_size": MAX_BYTES,
        "footer_links": [],
        "enable_monitoring": False,
        "mcp_server": False,
        "ssr_mode": False,
        "show_error": False,  # gr.Error is shown all the same; a bug's own words stay in the log
        "theme": _theme(),
        "css": "".join((STATIC / name).read_text(encoding="utf-8") for name in STYLES),
        "head": f"<script>{scripts}</script>",
    }  # fmt: skip


def _theme() -> gr.themes.Base:
    """Fonts of the reader's own machine, and a primary button that passes contrast (Gradio's blue has 3.7:1)."""
    fonts: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    theme = gr.themes.Default(primary_hue="blue", neutral_hue="slate", radius_size="sm", **fonts)
    blue, darker = "#005b96", "#00446f"
    quiet, quiet_dark = "#51606f", "#a9b6c3"  # Gradio's greys have 2.6:1 to 4.4:1
    return theme.set(
        body_text_color_subdued=quiet, body_text_color_subdued_dark=quiet_dark,
        block_info_text_color=quiet, block_info_text_color_dark=quiet_dark,
        block_title_text_color=quiet, block_title_text_color_dark=quiet_dark,
        block_label_text_color=quiet, block_label_text_color_dark=quiet_dark,
        button_primary_background_fill=blue, button_primary_background_fill_dark=blue,
        button_primary_background_fill_hover=darker, button_primary_background_fill_hover_dark=darker,
    )  # fmt: skip


def _api(models: Models, store: FeedbackStore | None) -> None:
    """`/check`, and `/analyse`: a file in, the JSON contract out. Not gr.api: that takes any path on the server."""
    note_api(models, store)

    def analyse(audio: str | None, request: gr.Request, acknowledged: bool = False) -> Iterator[dict]:
        """Analyse one recording; returns the JSON of `medalign analyze`. `acknowledged`: the data notice of the page."""

        def answer() -> Iterator[dict]:
            if audio is None:
                raise MedAlignError("no recording given; send an audio file")
            consent.check(acknowledged)
            with models.analyses.join() as place:
                recording = yield from place.decode(lambda: load_apart(audio), lambda ahead: gr.skip())
                engine = models.engine()
                for _ in place.wait(recording.duration_s):
                    yield gr.skip()  # by which Gradio notices a client that has gone
                with closing(Run(models, audio).steps(engine.stream(recording))) as steps:
                    for step in steps:
                        if isinstance(step, Analysis):
                            audit(store, "api", request, analysis=step)
                            yield step.to_dict()
                        else:
                            place.tell(step.remaining_s)
                            yield gr.skip()

        def refuse(failure: Failure) -> NoReturn:
            audit(store, "api", request, failure.outcome)
            raise gr.Error(failure.sentence, print_exception=False)

        yield from caught(answer, refuse)()

    source, acknowledged = gr.File(visible=False), gr.Checkbox(visible=False, label="acknowledged")
    target = gr.JSON(visible=False)
    gr.Button(visible=False).click(analyse, [source, acknowledged], target, api_name="analyse", **OWN_QUEUE)
