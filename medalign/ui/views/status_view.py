"""What the page says while and after it works: stage, progress, one clear sentence when something is wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medalign import __version__
from medalign.core.analysis import DISCLAIMER
from medalign.core.audio import FORMATS, MAX_BYTES, MAX_DURATION_S
from medalign.core.recording import SILENT_BELOW
from medalign.core.wording import about
from medalign.ui.files import address
from medalign.ui.model_queue import Ahead
from medalign.ui.views.markup import Markup, macros

if TYPE_CHECKING:
    from medalign.ui.session import Session

STAGES = {
    "decode": "Reading the recording",
    "student": "Listening for clinical concepts in the sound",
    "transcribe": "Writing down what is said",
    "teacher": "Reading the transcript for clinical concepts",
}
CANCELLED = "Cancelled."
AS_BEFORE = "As it was before."
CANCELLED_RUN = Markup(f'{CANCELLED} <button type="button" class="tool" data-again>Analyse again</button>')
DELETED = Markup("Deleted: recording, transcript, exports and checked notes are gone. Go on with an example above.")
KEPT_FEEDBACK = Markup(" Your feedback stays stored; keep the code that takes it back, in “Your view” under any result: {}")
DELETED_SOUNDS = "Deleted: these recordings are gone from this server."
NO_RECORDING = (
    "There is no recording yet: record and press Stop, upload a file, or press an example. "
    "If you have just pressed Stop, wait until the recording appears and press Analyse again."
)
KEYS = (
    ("j, k", "next, previous concept"),
    ("Enter", "hear the evidence of the concept in focus"),
    ("c, w, s", "of the concept in focus: Right, Not said, Other status"),
    ("e", "edit the segment in focus, or the one that plays"),
    ("m", "a concept is missing: at the selected words, or at the player's second"),
    ("u", "undo what you did last: a judgement, or a change of the words"),
    ("p", "play, pause"),
    ("← →", "step through the words of a segment"),
    ("/", "search words and sound"),
    ("a, b, t, n", "vote: left, right, tie, neither (once both sides were looked at)"),
    ("?", "this sheet"),
)

_macros = macros("status")
HEADER = _macros.header(DISCLAIMER)
RECORD = _macros.record()
UPLOAD = _macros.upload(FORMATS, round(MAX_DURATION_S / 60), MAX_BYTES)
REPOSITORY = "https://github.com/medalign/medalign"
LINKS = (
    ("The paper", "https://arxiv.org/abs/2512.04847"),
    ("Model card", f"{REPOSITORY}/blob/main/assets/checkpoints/whisper-tiny.en-minilm/README.md"),
    ("Code", REPOSITORY),
)
CODE = """\
from medalign import Analyzer

analysis = Analyzer.default().analyze("consultation.wav")
for row in analysis.concepts:
    print(row.label, row.status, row.probability)"""
API = """\
from gradio_client import Client, handle_file

page = Client("http://localhost:7860")  # or the address of this page
audio = handle_file("consultation.wav")
found = page.predict(audio, acknowledged=True, api_name="/analyse")
print([(row["label"], row["status"]) for row in found["concepts"]])"""


def help(has_api: bool) -> Markup:
    """The foot of the page, and what its buttons open."""
    return _macros.help(KEYS, __version__, CODE, API if has_api else None, LINKS)


def alert(sentence: str, kept: bool = False) -> Markup:
    """One sentence, and whether anything of the result is still there."""
    return _macros.alert(sentence, kept)


def stage_words(stage: str) -> str:
    return STAGES.get(stage, stage)


def waiting(ahead: Ahead) -> str:
    """How many come first, and how long that takes: `Waiting: 2 before you, about 3 minutes.`"""
    return f"Waiting: {ahead.n} before you{'' if ahead.seconds is None else f', {about(ahead.seconds)}'}."


def progress_bar(fraction: float, remaining_s: float | None) -> Markup:
    return _macros.progress(round(100 * min(max(fraction, 0.0), 1.0)), remaining_s)


def own(takes_recordings: bool) -> Markup:
    """The buttons that open the panel for a recording of one's own."""
    return _macros.own(takes_recordings)


def own_heading(takes_recordings: bool) -> Markup:
    return _macros.own_heading(takes_recordings)


def told(sentence: str) -> Markup:
    """For those who can't see that the result is there."""
    return Markup('<span class="unseen">{}</span>').format(sentence)


def toast(sentence: str) -> Markup:
    """For a press that has no place of its own on the page."""
    return Markup('<span class="toast">{}</span>').format(sentence)


def heading(session: "Session", duration_s: float) -> Markup:
    return _macros.heading(session, duration_s)


def silence(waveform: np.ndarray) -> Markup:
    """A warning before any model runs, if nothing was recorded but silence."""
    if np.abs(waveform).max(initial=0.0) >= SILENT_BELOW:
        return Markup()
    return warnings(("This recording is silent. The microphone may be muted, or another one chosen: record again.",))


def warnings(sentences: tuple[str, ...]) -> Markup:
    return _macros.warnings(sentences)


def player(path: Path) -> Markup:
    """The player with its speeds and steps of five seconds."""
    return _macros.player(address(path))


def deleted(codes: Sequence[str]) -> Markup:
    """What is gone, and under which codes feedback is left."""
    shown = Markup(", ").join(Markup("<code>{}</code>").format(code) for code in codes)
    return DELETED + (KEPT_FEEDBACK.format(shown) if codes else "")
