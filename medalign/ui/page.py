"""The page: what stands where, and which press calls what."""

from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr

from medalign.core.audio import MAX_BYTES, load_recording
from medalign.core.errors import MedAlignError
from medalign.feedback.reliability import Reliability
from medalign.feedback.store import FeedbackStore
from medalign.ui import consent
from medalign.ui.audit import audit
from medalign.ui.engine import Engine
from medalign.ui.session import KEEP_S, forget
from medalign.ui.states import MODEL_QUEUE
from medalign.ui.tabs.analyse_tab import Example, analyse_tab
from medalign.ui.tabs.compare_tab import LoadCandidate, compare_tab
from medalign.ui.tabs.feedback_panel import feedback_panel
from medalign.ui.tabs.results_tab import results_tab
from medalign.ui.views import help_view, status_view

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("player.js", "page.js", "microphone.js", "shortcuts.js")
Page = gr.Blocks
SCAN_S = 600  # uploads vanish within KEEP_S + SCAN_S


def build_app(
    load_engine: Callable[[], Engine],
    examples: Sequence[Example] = (),
    *,
    store: FeedbackStore | None = None,
    load_candidate: LoadCandidate | None = None,
    takes_own: bool = True,
    any_model: bool = True,
    reliability: tuple[Reliability, ...] = (),
) -> gr.Blocks:
    """The page, unlaunched.

    Args:
        load_engine: called at the first analysis, not before.
        store: where feedback goes; without one, feedback is switched off and the page says so.
        load_candidate: gives the engine of a candidate; without it, nothing can be compared.
        takes_own: whether readers may record and upload; else they have the examples.
        any_model: whether readers may name folders and Hub models to compare, or only those on the list. A public server
            should not fetch whatever a stranger types.
        reliability: of the models' probabilities, where it was measured.
    """
    with gr.Blocks(title="MedAlign", analytics_enabled=False, delete_cache=(SCAN_S, KEEP_S)) as page:
        gr.HTML(status_view.HEADER, apply_default_css=False)
        session = gr.State(None, time_to_live=KEEP_S, delete_callback=forget)
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Analyse", id="analyse"):
                analyse_tab(load_engine, examples, session, store, takes_own)
                feedback_panel(store, session)
            with gr.Tab("Compare", id="compare"):
                compare_tab(load_candidate, store, session, any_model)
            with gr.Tab("Results", id="results") as tab:
                results_tab(store, tab, reliability)
        gr.HTML(help_view.DIALOG, apply_default_css=False)
        if takes_own:
            _api(load_engine, store)
    return page.queue(default_concurrency_limit=2, max_size=16)


def launch_options() -> dict:
    """Everything `launch()` needs besides the address. Nothing here makes the browser ask another host."""
    scripts = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return {
        "run_history": False,  # Gradio would keep inputs and results in the browser's storage
        "max_file_size": MAX_BYTES,
        "footer_links": [],
        "enable_monitoring": False,
        "mcp_server": False,
        "ssr_mode": False,
        "show_error": False,  # gr.Error is shown all the same; a bug's own words stay in the log
        "theme": _theme(),
        "css": (STATIC / "style.css").read_text(encoding="utf-8"),
        "head": f"<script>{scripts}</script>",
    }  # fmt: skip


def _theme() -> gr.themes.Base:
    """Fonts of the reader's own machine, and a primary button that passes contrast (Gradio's blue has 3.7:1)."""
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
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


def _api(load_engine: Callable[[], Engine], store: FeedbackStore | None) -> None:
    """`/analyse`: a file in, the JSON contract out. Not gr.api: that takes any path on the server."""

    def analyse(audio: str, acknowledged: bool = False, request: gr.Request = None) -> dict:
        """Analyse one recording; returns the JSON of `medalign analyze`. `acknowledged`: the data notice of the page."""
        if audio is None:
            raise gr.Error("no recording given; send an audio file", print_exception=False)
        try:
            consent.check(acknowledged)
            analysis = load_engine().analyze(load_recording(audio))
            audit(store, "api", request, analysis=analysis)
            return analysis.to_dict()
        except MedAlignError as error:
            audit(store, "api", request, "refused")
            raise gr.Error(str(error), print_exception=False) from error

    source, acknowledged = gr.File(visible=False), gr.Checkbox(visible=False, label="acknowledged")
    target = gr.JSON(visible=False)
    gr.Button(visible=False).click(analyse, [source, acknowledged], target, api_name="analyse", **MODEL_QUEUE)
