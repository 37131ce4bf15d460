"""The browser's own audio player, over the decoded recording: what is heard is what was analysed, second for second.

Not gr.Audio: its native player brings a label, a toolbar and its own idea of the position, and it takes the file the
user gave, whose seconds need not be ours.
"""

from pathlib import Path

from medalign.ui.files import address

SPEEDS = (0.75, 1.0, 1.25, 1.5, 2.0)


def player(path: Path) -> str:
    """The player with its speeds and steps of five seconds."""
    speeds = "".join(f'<option value="{s}"{" selected" if s == 1.0 else ""}>{s:g}×</option>' for s in SPEEDS)
    return (
        f'<div class="player-row"><button type="button" class="step" data-step="-5" aria-label="Back 5 seconds">−5 s</button>'
        f'<audio controls preload="metadata" aria-label="Recording" src="{address(path)}"></audio>'
        f'<button type="button" class="step" data-step="5" aria-label="Forward 5 seconds">+5 s</button>'
        f'<label class="speed"><span class="unseen">Speed</span><select class="rate">{speeds}</select></label></div>'
    )
