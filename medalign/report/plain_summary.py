"""The glance and the places to hear again as plain text under headings, to paste into notes.

Nothing is generated: each line is a fact of the analysis, with where it was said.
"""

from collections.abc import Iterator

from medalign.core.analysis import DISCLAIMER, Analysis
from medalign.core.editing import is_edited
from medalign.core.review import UNREVIEWED, Added, Review, as_reviewed
from medalign.core.wording import clock, clock_range, count, heard_at
from medalign.report.doubt import Doubt
from medalign.report.ear import checks, doubts, sentence
from medalign.report.summary import SENSES, Entry, at_a_glance

BEYOND = "Mentions, found by software, for review. Times are minutes and seconds into the recording."


def to_text(analysis: Analysis, review: Review = UNREVIEWED) -> str:
    """Lines of text, sections apart by an empty line; as the analysis stands after a review."""
    before, told, analysis = analysis, judged_line(analysis, review), as_reviewed(analysis, review)
    listed = doubts(analysis, review, before)
    recording = analysis.recording
    blocks = [[f"{_one_line(recording.name)}, {clock(recording.duration_s)}", DISCLAIMER, BEYOND, *_edited(analysis)]]
    blocks[0] += [told] if told else []
    blocks += [
        [section.title.upper(), *(f"- {_entry(entry)}" for entry in section.entries)]
        for section in at_a_glance(analysis, checks(analysis, listed), before)
    ]
    blocks += [["ADDED BY THE READER", *map(_added, review.added)]] if review.added else []
    if len(blocks) == 1:
        blocks.append(["No clinical concept was found in what was said."])
    if listed:
        blocks.append(["USE YOUR EAR", *(f"{n}. {doubt_line(doubt)}" for n, doubt in enumerate(listed, start=1))])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def judged_line(analysis: Analysis, review: Review) -> str:
    """`Judged by a person: not said: fever; cough is denied; 2 places heard and right.`; empty where nothing was judged.

    Args:
        analysis: before the review.
    """
    rows = [(concept, judged) for concept in analysis.concepts if (judged := review.of(concept))]
    not_said = [_one_line(concept.label) for concept, judged in rows if not judged.was_said]
    told = [f"not said: {', '.join(dict.fromkeys(not_said))}"] if not_said else []
    changed = [(concept, judged.right) for concept, judged in rows if judged.right and judged.right != concept.status]
    told += [f"{_one_line(concept.label)} is {SENSES.get(status, status)}" for concept, status in changed]
    for concept in analysis.concepts:
        for place, judged in review.of_mentions(concept).items():
            said = SENSES.get(judged.right, judged.right) if judged.right else "not said"
            told += [f"{_one_line(concept.label)} at {clock(place.start_s)} is {said}"] * (judged.right != concept.status)
            rows.append((concept, judged))
    right = {(concept.concept_id, concept.status) for concept, j in rows if j.was_said and j.right == concept.status}
    told += [f"{count(len(right), 'concept')} confirmed"] if right else []
    told += [f"{count(len(review.heard), 'place')} heard and right"] if review.heard else []
    return f"Judged by a person: {'; '.join(told)}." if told else ""


def _edited(analysis: Analysis) -> Iterator[str]:
    if n := sum(map(is_edited, analysis.transcript.segments)):
        yield f"Edited by a person: {count(n, 'segment')} of the transcript."
    yield from map(_one_line, analysis.warnings)


def _entry(entry: Entry) -> str:
    """`bisoprolol?, to start, 1 tablet, 1 a day (1:13; use your ear, 2)`."""
    told = [_one_line(entry.label) + "?" * bool(entry.check), entry.action, *entry.numbers]
    place = heard_at(entry.evidence) + (f"; use your ear, {entry.check}" if entry.check else "")
    return f"{', '.join(filter(None, told))} ({place})"


def _added(added: Added) -> str:
    return f"- {_one_line(added.label)}" + ("" if added.start_s is None else f" ({clock(added.start_s)})")


def doubt_line(doubt: Doubt) -> str:
    """`0:38 "Remipreal": sounds like ramipril; right about 9 in 10 times`."""
    said = f' "{_one_line(doubt.said)}":' if doubt.said else ":"
    place = clock(doubt.start_s) if doubt.said else clock_range(doubt.start_s, doubt.end_s)
    return f"{place}{said} {_one_line(sentence(doubt))}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
