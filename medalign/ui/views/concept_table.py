"""All concepts: status, where the words and where the sound have each, how likely it is by both, and where to hear it."""

from collections.abc import Mapping, Sequence

from medalign.core.analysis import Analysis, ConceptFinding, Evidence
from medalign.core.review import UNREVIEWED, Review
from medalign.core.wording import band
from medalign.report.summary import Row, is_faint, odds
from medalign.ui.views.markup import Markup, macros
from medalign.ui.views.statuses import SOURCES, STATUSES, judged_as, mentions_judged_as

# A row: how likely it is, its number among what should be heard again, and what the reader made of it and of single mentions.
Shown = tuple[ConceptFinding, float, int | None, str, Mapping[Evidence, str]]
WAITING = Markup('<p class="waiting">What it means appears here as soon as the transcript is complete.</p>')
_CANCELLED = '<p class="waiting">Cancelled before it was finished, so what it means is not told. {} still here.</p>'
CANCELLED = Markup(_CANCELLED.format("The recording is"))
CANCELLED_WITH_WORDS = Markup(_CANCELLED.format("The recording and the words so far are"))
NO_WORDS = Markup('<p class="waiting">Without words there is nothing to hear again, and nothing to sum up.</p>')
NOT_ENGLISH = Markup(
    '<p class="waiting">So far this sounds more like another language than English, and MedAlign knows English only: no '
    "concepts are shown, and the words should not be relied on.</p>"
)


def preview_concepts(concepts: Sequence[ConceptFinding] | None, until_s: float) -> Markup:
    """What the student surely heard, up to `until_s` of the recording, while the words were being written; the words that come
    mostly contradict what is merely possible."""
    if concepts is None:
        return NOT_ENGLISH
    sections = _sections([(c, odds(c), None, "", {}) for c in concepts if band(odds(c)) == "likely"])
    return macros("concepts").preview(sections, until_s, WAITING)


def concept_table(analysis: Analysis, checks: Mapping[Row, int], review: Review = UNREVIEWED) -> Markup:
    """One row a concept, in sections by status; filters above it, unlikely concepts and sound events below.

    Args:
        checks: as `medalign.report.ear.checks`.
        review: what the reader judged; such rows stay where they are, and say so.
    """
    rows = [
        (
            c,
            odds(c),
            None if review.of(c) else checks.get((c.concept_id, c.status)),
            judged_as(c, review),
            mentions_judged_as(c, review),
        )
        for c in analysis.concepts
    ]
    found = [concept for concept in analysis.concepts if not is_faint(concept)]
    faint = [row for row in rows if is_faint(row[0])]
    filters = [
        ("category", "Kind", {name: name for name in sorted({c.category for c in found})}),
        ("status", "Status", {STATUSES[c.status].css: STATUSES[c.status].label for c in found}),
        ("agreement", "Sources", {key: words for key, (_, words) in SOURCES.items()}),
    ]
    likely = _sections([row for row in rows if not is_faint(row[0])])
    return macros("concepts").concepts(likely, _sections(faint), len(faint), filters, analysis.sound_events)


def _sections(rows: Sequence[Shown]) -> list[tuple[str, str, list[Shown]]]:
    """Heading, class and rows of each section, in reading order."""
    groups = dict.fromkeys(words.group for words in STATUSES.values())
    members = {group: [row for row in rows if STATUSES[row[0].status].group == group] for group in groups}
    return [(group, STATUSES[of_group[0][0].status].css, of_group) for group, of_group in members.items() if of_group]
