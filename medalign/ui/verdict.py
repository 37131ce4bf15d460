"""The result in two lines, and where to listen first."""

from medalign.analysis import Analysis, Evidence, WindowAlignment
from medalign.ui.concept_table import is_faint
from medalign.ui.markup import play_button
from medalign.ui.statuses import AGREEMENTS
from medalign.words import count

MAX_PASSAGES = 6


def verdict(analysis: Analysis) -> str:
    """How many concepts, who found them, and the passages whose words should not be trusted unheard."""
    found = [concept for concept in analysis.concepts if not is_faint(concept)]
    tally = {key: sum(c.agreement == key for c in found) for key in AGREEMENTS}
    alarms = [w for w in analysis.alignment.windows if w.alarm]
    sentence = ""
    if found:
        sentence = (
            f"<p>{count(len(found), 'concept')}: {tally['both']} in text and sound, "
            f"{tally['teacher_only']} only in the text, {tally['student_only']} only in the sound.</p>"
        )
    return f'<div class="verdict">{sentence}{_listen_first(alarms, analysis)}</div>'


def _listen_first(alarms: list[WindowAlignment], analysis: Analysis) -> str:
    if not alarms:
        return ""
    n_windows = len(analysis.alignment.windows)
    if len(alarms) > n_windows / 2 and n_windows > MAX_PASSAGES:  # naming most of the recording helps nobody
        return (
            f'<div class="listen"><p><strong><span aria-hidden="true">▼</span> Do not rely on this transcript:</strong> '
            f"in {len(alarms)} of {n_windows} passages the sound does not fit the words.</p></div>"
        )
    buttons = "".join(
        play_button(Evidence(w.start_s, w.end_s), "passage where the words may be wrong") for w in alarms[:MAX_PASSAGES]
    )
    hidden = len(alarms) - MAX_PASSAGES
    more = f" and {hidden} more, marked ▼ in the timeline below" if hidden > 0 else ""
    return (
        '<div class="listen"><h3><span aria-hidden="true">▼</span> Listen to these passages first</h3>'
        f"<p>The words written there do not fit the sound, or are missing. {buttons}{more}</p></div>"
    )
