"""The result in two lines, and where to listen first."""

from medalign.core.analysis import Analysis, Evidence
from medalign.core.wording import count
from medalign.report.summary import Place, is_faint, places_to_check
from medalign.ui.views.markup import play_button, text
from medalign.ui.views.statuses import AGREEMENTS

MAX_PASSAGES = 6


def verdict(analysis: Analysis) -> str:
    """How many concepts, who found them, and the passages whose words should not be trusted unheard."""
    found = [concept for concept in analysis.concepts if not is_faint(concept)]
    tally = {key: sum(c.agreement == key for c in found) for key in AGREEMENTS}
    sentence = ""
    if found:
        sentence = (
            f"<p>{count(len(found), 'concept')}: {tally['both']} in text and sound, "
            f"{tally['teacher_only']} only in the text, {tally['student_only']} only in the sound.</p>"
        )
    return f'<div class="verdict">{sentence}{_listen_first(places_to_check(analysis.alignment), analysis)}</div>'


def _listen_first(places: list[Place], analysis: Analysis) -> str:
    if not places:
        return ""
    n_passages = len(analysis.alignment.segments) or len(analysis.alignment.windows)
    if len(places) > n_passages / 2 and n_passages > MAX_PASSAGES:  # naming most of the recording helps nobody
        return (
            f'<div class="listen"><p><strong><span aria-hidden="true">▼</span> Do not rely on this transcript:</strong> '
            f"{len(places)} of {n_passages} passages should be heard again.</p></div>"
        )
    items = "".join(
        f"<li>{play_button(Evidence(p.start_s, p.end_s), 'passage to check')} {text(p.reason)}</li>"
        for p in places[:MAX_PASSAGES]
    )
    hidden = len(places) - MAX_PASSAGES
    more = f"<p>and {hidden} more, marked ▼ in the transcript and the timeline</p>" if hidden > 0 else ""
    return (
        '<div class="listen"><h3><span aria-hidden="true">▼</span> Listen to these passages first</h3>'
        f"<ul>{items}</ul>{more}</div>"
    )
