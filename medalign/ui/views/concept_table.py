"""Side by side: what the teacher read, what the student heard, whether they agree, and where to hear it."""

from collections.abc import Sequence

from medalign.core.analysis import ConceptFinding, SoundEvent
from medalign.report.summary import is_faint
from medalign.ui.views.markup import Markup, macros
from medalign.ui.views.statuses import AGREEMENTS, STATUSES

WAITING = Markup('<p class="waiting">Concepts appear here as soon as the transcript is complete.</p>')


def preview_concepts(concepts: Sequence[ConceptFinding], until_s: float) -> Markup:
    """What the student heard, up to `until_s` of the recording, while the words were being written."""
    return macros("concepts").preview(_sections([c for c in concepts if not is_faint(c)]), until_s, WAITING)


def concept_table(concepts: Sequence[ConceptFinding], sound_events: Sequence[SoundEvent]) -> Markup:
    """One row a concept, in sections by status; filters above it, unlikely concepts and sound events below."""
    found = [concept for concept in concepts if not is_faint(concept)]
    faint = [concept for concept in concepts if is_faint(concept)]
    filters = [
        ("category", "Kind", {name: name for name in sorted({c.category for c in found})}),
        ("status", "Status", {STATUSES[c.status].css: STATUSES[c.status].label for c in found}),
        ("agreement", "Sources", {key: words for key, (_, words) in AGREEMENTS.items()}),
    ]
    return macros("concepts").concepts(_sections(found), _sections(faint), len(faint), filters, sound_events)


def _sections(concepts: Sequence[ConceptFinding]) -> list[tuple[str, str, list[ConceptFinding]]]:
    """Heading, class and concepts of each section, in reading order."""
    groups = dict.fromkeys(words.group for words in STATUSES.values())
    members = {group: [c for c in concepts if STATUSES[c.status].group == group] for group in groups}
    return [(group, STATUSES[rows[0].status].css, rows) for group, rows in members.items() if rows]
