"""The picture of the recording, the list of what a person should hear again, and what both of them count."""

from collections.abc import Sequence

from medalign.core.alignment import Alignment
from medalign.core.analysis import Analysis
from medalign.core.transcript import UNKNOWN_SPEAKER
from medalign.core.wording import as_name
from medalign.report.doubt import OF_SEGMENTS, Doubt
from medalign.report.misfits import in_doubt, is_unreliable
from medalign.report.strip import strip_data
from medalign.report.summary import is_faint
from medalign.ui.session import NOTHING_NEW, Latest
from medalign.ui.views.markup import Markup, macros
from medalign.ui.views.statuses import SOURCES, source_of

N_FIRST, MAX_LISTED = 3, 30  # so few leave room on the first screen for what was said at a glance


def strip(peaks: bytes, duration_s: float, analysis: Analysis | None = None, doubts: Sequence[Doubt] = ()) -> Markup:
    """While the analysis runs, the waveform alone."""
    data = strip_data(peaks, duration_s, analysis, doubts)
    if analysis is None:
        return macros("strip").strip(data, duration_s, None, 0, [])
    found = [source_of(concept) for concept in analysis.concepts if not is_faint(concept)]
    voices = dict.fromkeys(segment.speaker for segment in analysis.transcript.segments if segment.speaker != UNKNOWN_SPEAKER)
    n_by_source, is_striped = {source: found.count(source) for source in SOURCES}, any(level == 0 for *_, level in data["fit"])
    return macros("strip").strip(data, duration_s, n_by_source, len(doubts), list(map(as_name, voices)), is_striped)


def ear(doubts: Sequence[Doubt], alignment: Alignment, latest: Latest = NOTHING_NEW) -> Markup:
    """Everything that should be heard again, what would cost most first."""
    unreliable = in_doubt(alignment) if is_unreliable(alignment) else None
    return macros("ear").ear(doubts, unreliable, N_FIRST, MAX_LISTED, OF_SEGMENTS, latest.news, latest.change)
