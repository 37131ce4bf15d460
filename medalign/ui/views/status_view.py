"""What the page says while and after it works: stage, progress, one clear sentence when something is wrong."""

import numpy as np

from medalign.core.analysis import DISCLAIMER
from medalign.core.audio import FORMATS, MAX_BYTES, MAX_DURATION_S
from medalign.core.wording import clock, remaining, size
from medalign.ui.views.markup import text

STAGES = {
    "decode": "Reading the recording",
    "student": "Listening for clinical concepts in the sound",
    "transcribe": "Writing down what is said",
    "teacher": "Reading the transcript for clinical concepts",
}
DELETED = "Deleted: recording, transcript and exports are gone from this server."
NO_RECORDING = (
    "There is no recording yet: record and press Stop, upload a file, or press an example. "
    "If you have just pressed Stop, wait until the recording appears and press Analyse again."
)
INTERNAL_ERROR = (
    "MedAlign made a mistake while {stage}; this is a fault in the program, not in your recording. "
    "Try again, or report it with the time; the details are in the server's log."
)

HEADER = f"""
<header class="top"><h1>MedAlign</h1>
<p>Hear a consultation, see what was said and what it means, with the evidence one press away.</p></header>
<div class="banner" role="note"><span aria-hidden="true">⚠</span> {DISCLAIMER}</div>
"""

OWN_RECORDING = "<h2>Your own recording</h2>"
RECORD = """<h3>Record</h3><p class="hint">Record, pause, resume, stop. If the microphone is refused: open this page in
its own tab, over https, and allow it.</p>
<div class="level"><span id="level-label">Level</span>
<meter id="level" min="-60" max="0" low="-40" high="-6" optimum="-20" value="-60" aria-labelledby="level-label"></meter>
<span id="microphone-state" role="status"></span></div>"""
UPLOAD = f"""<h3>Upload</h3><p class="hint">{FORMATS}; mono or stereo, English speech, up to {MAX_DURATION_S / 60:.0f}
minutes and {size(MAX_BYTES)}.</p>"""
EXAMPLES = """<h2>Try an example</h2><p class="hint">Invented consultations in synthetic voices, analysed beforehand: one press
shows the result.</p>"""
BEFOREHAND = '<p class="hint">Analysed beforehand, by the models named under “Details for researchers”.</p>'
SILENT_BELOW = 1e-3  # of full scale, -60 dB: a muted microphone, not a quiet room


def alert(sentence: str, kept: bool = False) -> str:
    """One sentence, and whether anything of the result is still there."""
    note = '<p class="kept">What was found so far is kept below.</p>' if kept else ""
    return f'<div class="alert"><span aria-hidden="true">✕</span><div><p>{text(sentence)}</p>{note}</div></div>'


def stage_words(stage: str) -> str:
    return STAGES.get(stage, stage)


def progress_bar(fraction: float, remaining_s: float | None) -> str:
    percent = round(100 * min(max(fraction, 0.0), 1.0))
    left = text(remaining(remaining_s))
    bar = f'<progress max="100" value="{percent}" aria-label="Progress">{percent} %</progress>'
    return f'<div class="progress">{bar}<span>{left}</span></div>'


def heading(title: str, duration_s: float, partial: bool = False) -> str:
    note = '<span class="badge">not finished</span>' if partial else ""
    return f'<h2 id="result-title">Result: {text(title)} <span class="quiet">({clock(duration_s)})</span> {note}</h2>'


def silence(waveform: np.ndarray) -> str:
    """A warning before any model runs, if nothing was recorded but silence."""
    if np.abs(waveform).max(initial=0.0) >= SILENT_BELOW:
        return ""
    return warnings(("This recording is silent. The microphone may be muted, or another one chosen: record again.",))


def warnings(sentences: tuple[str, ...]) -> str:
    if not sentences:
        return ""
    return '<ul class="warnings">' + "".join(f"<li>{text(sentence)}</li>" for sentence in sentences) + "</ul>"
