"""The sheet of keys, opened by `?` or by its button."""

from medalign import __version__

KEYS = (
    ("j, k", "next, previous concept"),
    ("Enter", "hear the evidence of the concept in focus"),
    ("c, w, s", "the concept is right, wrong, has the wrong status"),
    ("m", "a concept is missing: at the selected words, or at the player's second"),
    ("u", "undo the last judgement"),
    ("p", "play, pause"),
    ("← →", "step through the words of a passage"),
    ("/", "search in the sound"),
    ("a, b, t, n", "vote: left, right, tie, neither (once both sides were looked at)"),
    ("?", "this sheet"),
)
_ROWS = "".join(f"<div><dt><kbd>{keys}</kbd></dt><dd>{what}</dd></div>" for keys, what in KEYS)
DIALOG = f"""
<p class="foot"><button type="button" class="tool" id="help-open">Keyboard shortcuts (?)</button>
<span class="quiet">MedAlign {__version__}, research software</span></p>
<dialog id="help" aria-labelledby="help-title"><h2 id="help-title">Keyboard shortcuts</h2><dl class="keys">{_ROWS}</dl>
<label class="filter"><input type="checkbox" id="shortcuts-on" checked> Single keys on; they never act while you type.</label>
<button type="button" class="tool primary" id="help-close">Close</button></dialog>
"""
