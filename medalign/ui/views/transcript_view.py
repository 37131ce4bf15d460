"""The transcript as a list of segments. A press on any word, mention or time plays from there; each can be edited."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medalign.core.alignment import SegmentCheck
from medalign.core.analysis import Analysis, ConceptFinding, Evidence
from medalign.core.review import UNREVIEWED, Heard, Review
from medalign.core.transcript import DOCTOR, PATIENT, UNKNOWN_SPEAKER, Segment, Transcript, Word
from medalign.core.wording import mistake, right
from medalign.report.doubt import Doubt
from medalign.report.not_understood import critical_words
from medalign.report.summary import REASONS, Row, doubt_of
from medalign.ui.session import Change
from medalign.ui.views.card_view import cards
from medalign.ui.views.markup import Markup, macros
from medalign.ui.views.statuses import judged_as, mentions_judged_as

MAX_MENTION_WORDS = 8  # longer evidence is a segment to hear, not a term to underline
NO_SPEECH = Markup(
    '<div class="empty"><strong>No speech detected</strong>'
    "<p>MedAlign found no words in this recording. Play it above: if you can hear speech, record closer to the "
    "speakers or check that the right microphone was chosen.</p></div>"
)
Piece = tuple[int, ConceptFinding, Evidence]  # a concept, with its index in the analysis and the place where it is said
Pieces = list[tuple[Piece | None, Sequence[Word]]]


@dataclass(frozen=True)
class Doubted:
    """What may be wrong with a word."""

    note: str
    name: str | None  # what it may be instead
    correction: int | None = None  # the suggestion that it is part of, which can be accepted


def partial_transcript(transcript: Transcript) -> Markup:
    """What has been written down so far."""
    return macros("transcript").partial(transcript.segments)


def transcript_view(
    analysis: Analysis,
    checks: Mapping[Row, int] = {},
    review: Review = UNREVIEWED,
    change: Change | None = None,
    listed: Sequence[Doubt] = (),
) -> Markup:
    """The finished transcript with its mentions and their cards, and with marks on what should be checked.

    Args:
        checks: as `medalign.report.ear.checks`.
        review: what the reader judged: mentions say it, and places that were found right are marked no more.
        change: the last one, which can be taken back at its segment.
        listed: places to hear again; where nothing is written, the words can be.
    """
    said = analysis.transcript.segments
    gaps = [(n, doubt) for n, doubt in enumerate(listed, start=1) if doubt.kind == "missed_speech"]
    if not said and not gaps:
        return NO_SPEECH
    segments = [(s, _pieces(s, analysis.concepts), _check(s, analysis, review.heard)) for s in said]
    # What the form offers: the usual roles, and whoever speaks here.
    speakers = dict.fromkeys([DOCTOR, PATIENT, *(s.speaker for s in said), UNKNOWN_SPEAKER])
    judged = [(judged_as(concept, review), mentions_judged_as(concept, review)) for concept in analysis.concepts]
    doubted, told = _doubted(analysis, review), cards(analysis, checks, review)
    changed = None if change is None else max((i for i, s in enumerate(said) if s.start_s <= change.at_s), default=0)
    starts_s = [segment.start_s for segment in said]
    before: dict[int, list[tuple[int, Doubt]]] = {}  # by the segment that comes next
    for n, gap in gaps:
        before.setdefault(bisect_right(starts_s, gap.start_s), []).append((n, gap))
    shown = macros("transcript").transcript(segments, before, list(speakers), doubted, told, judged, change, changed)
    return shown if said else NO_SPEECH + shown


def _check(segment: Segment, analysis: Analysis, heard: Sequence[Heard]) -> str | None:
    if any(h.is_at(segment.start_s, segment.end_s) for h in heard):
        return None
    return check_of(segment, analysis.alignment.segments)


def _doubted(analysis: Analysis, review: Review) -> dict[float, Doubted]:
    """By the second in which a word begins. A suggested name says more than that a word may be wrong."""
    doubted, heard = {}, review.heard
    for word in critical_words(analysis):
        if any(h.is_at(word.start_s, word.end_s) for h in heard):
            continue
        note = f"{doubt_of(word)}; {mistake(word.probability)}"
        doubted[word.start_s] = Doubted(note, word.alternative)
    words = analysis.transcript.words
    for i, c in enumerate(analysis.corrections):
        if c.concept_id in review.confirmed or any(h.is_at(c.start_s, c.end_s) for h in heard):
            continue
        note = f"sounds like {c.name}; {right(c.probability)}"
        doubted |= {word.start_s: Doubted(note, c.name, i) for word in words[c.first_word : c.last_word + 1]}
    return doubted


def check_of(segment: Segment, checks: tuple[SegmentCheck, ...]) -> str | None:
    """The reason to check a segment, in words; None if there is none."""
    for check in checks:
        if check.reason and check.start_s == segment.start_s and check.end_s == segment.end_s:
            return REASONS[check.reason]
    return None


def _pieces(segment: Segment, concepts: Sequence[ConceptFinding]) -> Pieces:
    """The segment's words in order: runs of plain ones, and mentions."""
    pieces: Pieces = []
    position = 0
    for first, last, piece in _mentions(segment.words, concepts):
        pieces += [(None, segment.words[position:first]), (piece, segment.words[first : last + 1])]
        position = last + 1
    pieces.append((None, segment.words[position:]))
    return [(piece, words) for piece, words in pieces if words]


def _mentions(words: Sequence[Word], concepts: Iterable[ConceptFinding]) -> list[tuple[int, int, Piece]]:
    """Stretches of words that the teacher's evidence covers. Where two overlap the longer stays; the table has both."""
    found = []
    for n, concept in enumerate(concepts):
        for evidence in concept.teacher.evidence if concept.teacher else ():
            inside = [i for i, w in enumerate(words) if evidence.start_s <= (w.start_s + w.end_s) / 2 < evidence.words_end_s]
            if inside and len(inside) <= MAX_MENTION_WORDS:
                found.append((inside[0], inside[-1], (n, concept, evidence)))
    chosen: list[tuple[int, int, Piece]] = []
    for first, last, piece in sorted(found, key=lambda m: (m[0] - m[1], m[0])):
        if all(last < a or first > b for a, b, _ in chosen):
            chosen.append((first, last, piece))
    return sorted(chosen, key=lambda m: m[0])
