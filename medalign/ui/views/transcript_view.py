"""The transcript as a list of segments. A press on any word, mention or time plays from there; each can be edited."""

from collections.abc import Iterable, Sequence

from medalign.core.analysis import ConceptFinding, CriticalWord, SegmentCheck
from medalign.core.transcript import DOCTOR, PATIENT, UNKNOWN_SPEAKER, Segment, Transcript, Word
from medalign.report.summary import REASONS, doubt_of
from medalign.ui.views.markup import Markup, macros

MAX_MENTION_WORDS = 8  # longer evidence is a segment to hear, not a term to underline
NO_SPEECH = Markup(
    '<div class="empty"><strong>No speech detected</strong>'
    "<p>MedAlign found no words in this recording. Play it above: if you can hear speech, record closer to the "
    "speakers or check that the right microphone was chosen.</p></div>"
)
Pieces = list[tuple[ConceptFinding | None, Sequence[Word]]]


def partial_transcript(transcript: Transcript) -> Markup:
    """What has been written down so far."""
    return macros("transcript").partial(transcript.segments)


def transcript_view(
    transcript: Transcript,
    concepts: Sequence[ConceptFinding],
    checks: tuple[SegmentCheck, ...] = (),
    critical_words: tuple[CriticalWord, ...] = (),
) -> Markup:
    """The finished transcript with its mentions, and with marks on the segments and words that should be checked."""
    if not transcript.segments:
        return NO_SPEECH
    segments = [(segment, _pieces(segment, concepts), check_of(segment, checks)) for segment in transcript.segments]
    # What the form offers: the usual roles, and whoever speaks here.
    speakers = dict.fromkeys([DOCTOR, PATIENT, *(s.speaker for s in transcript.segments), UNKNOWN_SPEAKER])
    return macros("transcript").transcript(segments, list(speakers), {w.start_s: doubt_of(w) for w in critical_words})


def check_of(segment: Segment, checks: tuple[SegmentCheck, ...]) -> str | None:
    """The reason to check a segment, in words; None if there is none."""
    for check in checks:
        if check.reason and check.start_s == segment.start_s and check.end_s == segment.end_s:
            return REASONS[check.reason]
    return None


def _pieces(segment: Segment, concepts: Sequence[ConceptFinding]) -> Pieces:
    """The segment's words in order: runs of plain ones, and mentions with their concept."""
    pieces: Pieces = []
    position = 0
    for first, last, concept in _mentions(segment.words, concepts):
        pieces += [(None, segment.words[position:first]), (concept, segment.words[first : last + 1])]
        position = last + 1
    pieces.append((None, segment.words[position:]))
    return [(concept, words) for concept, words in pieces if words]


def _mentions(words: Sequence[Word], concepts: Iterable[ConceptFinding]) -> list[tuple[int, int, ConceptFinding]]:
    """Stretches of words that the teacher's evidence covers. Where two overlap the longer stays; the table has both."""
    found = []
    for concept in concepts:
        for evidence in concept.teacher.evidence if concept.teacher else ():
            inside = [i for i, w in enumerate(words) if evidence.start_s <= (w.start_s + w.end_s) / 2 < evidence.end_s]
            if inside and len(inside) <= MAX_MENTION_WORDS:
                found.append((inside[0], inside[-1], concept))
    chosen: list[tuple[int, int, ConceptFinding]] = []
    for first, last, concept in sorted(found, key=lambda m: (m[0] - m[1], m[0])):
        if all(last < a or first > b for a, b, _ in chosen):
            chosen.append((first, last, concept))
    return sorted(chosen, key=lambda m: m[0])
