"""The consultation at a glance, each entry a press away from its words."""

from medalign.core.analysis import Analysis
from medalign.core.wording import clock
from medalign.report.summary import Entry, Section, summarize
from medalign.ui.views.markup import span_attributes, text


def summary_view(analysis: Analysis) -> str:
    """Nothing where the transcript has no concept."""
    sections = summarize(analysis.concepts, analysis.measurements)
    if not sections:
        return ""
    rows = "".join(_section(section) for section in sections)
    return f'<section class="summary" aria-label="At a glance"><h2>At a glance</h2><dl>{rows}</dl></section>'


def _section(section: Section) -> str:
    return f"<div><dt>{section.title}</dt><dd>{''.join(_entry(entry, section) for entry in section.entries)}</dd></div>"


def _entry(entry: Entry, section: Section) -> str:
    numbers = f' <span class="numbers">{text(", ".join(entry.numbers))}</span>' if entry.numbers else ""
    times = f' <span class="times">×{entry.n_mentions}</span>' if entry.n_mentions > 1 else ""
    when = clock(entry.evidence.start_s)
    return (
        f'<button type="button" class="play entry" {span_attributes(entry.evidence.start_s, entry.evidence.end_s)} '
        f'aria-label="Play {text(entry.label)}, {section.title.lower()}, {when}">{text(entry.label)}{numbers}{times}</button>'
    )
