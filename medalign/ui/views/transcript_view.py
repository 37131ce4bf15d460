"""The transcript as a list of passages. A press on any word, mention or time plays from there; each can be edited.

Keyboard: one tab stop a passage (its time) and one a mention; the arrow keys walk the words inside a passage. An hour
has nine thousand words, so words are no tab stops themselves.
"""

from collections.abc import Iterable, Sequence

from medalign.core.analysis import ConceptFinding, SegmentCheck
from medalign.core.editing import is_edited
from medalign.core.transcript import DOCTOR, PATIENT, UNKNOWN_SPEAKER, Segment, Transcript, Word
from medalign.core.wording import clarity, clock
from medalign.report.summary import REASONS
from medalign.ui.views.markup import span_attributes, text
from medalign.ui.views.statuses import STATUSES

MAX_MENTION_WORDS = 8  # longer evidence is a passage to hear, not a term to underline

GUESSED = "a guess, from the voices and from what they say"
NO_SPEECH = (
    '<div class="empty"><strong>No speech detected</strong>'
    "<p>MedAlign found no words in this recording. Play it above: if you can hear speech, record closer to the "
    "speakers or check that the right microphone was chosen.</p></div>"
)

LEGEND = (
    '<details class="folded"><summary>How to read and change it</summary>'
    '<p class="legend" id="transcript-legend">Press a time or a word to hear it; arrow keys step through words. '
    '<span class="mention mention-present">underlined</span> clinical concept, a tag says when it is not simply '
    'present <span class="mention mention-negated">like this<span class="tag">negated</span></span>. '
    '<span class="word less-clear">dotted</span> less clear, <span class="word unclear">wavy</span> unclear to the '
    "speech recogniser; unmarked words can be wrong too. ▼ passages to hear again. Who speaks is a guess, hence the "
    "question mark, until somebody says so: <b>Edit</b> changes words and speaker, and concepts follow.</p></details>"
    '<label class="filter"><input type="checkbox" class="unclear-only"> Show only passages with unclear words</label>'
)


def partial_transcript(transcript: Transcript) -> str:
    """What has been written down so far: no words marked yet, so that an hour of it stays light to send."""
    items = "".join(_passage(segment, f'<span class="said">{text(segment.text)}</span>') for segment in transcript.segments)
    return f'<div class="transcript is-partial"><ol class="passages">{items}</ol></div>'


def transcript_view(transcript: Transcript, concepts: Sequence[ConceptFinding], checks: tuple[SegmentCheck, ...] = ()) -> str:
    """The finished transcript with its mentions, and with marks on the passages that should be checked."""
    if not transcript.segments:
        return NO_SPEECH
    items = "".join(
        _passage(segment, _words(segment, concepts), check_of(segment, checks), _tools(index, segment))
        for index, segment in enumerate(transcript.segments)
    )
    speakers = "".join(f'<option value="{text(name)}">' for name in _speakers(transcript))
    return (
        f'<div class="transcript">{LEGEND}<ol class="passages" tabindex="-1">{items}</ol>'
        f'<datalist id="speakers">{speakers}</datalist></div>'
    )


def _speakers(transcript: Transcript) -> list[str]:
    """What the form offers: the usual roles, and whoever speaks here."""
    return list(dict.fromkeys([DOCTOR, PATIENT, *(s.speaker for s in transcript.segments), UNKNOWN_SPEAKER]))


def _tools(index: int, segment: Segment) -> str:
    """Edit, and why this score; the form itself is made by page.js when somebody asks for it."""
    at = clock(segment.start_s)
    return (
        f'<span class="tools"><button type="button" class="tool" data-edit="{index}" data-speaker="{text(segment.speaker)}" '
        f'aria-label="Edit the passage at {at}">Edit</button>'
        f'<button type="button" class="tool" data-send="why" data-index="{index}" aria-label="Why this fit, passage at {at}">'
        f"Why?</button></span>"
    )


def _passage(segment: Segment, body: str, reason: str | None = None, tools: str = "") -> str:
    where = span_attributes(segment.start_s, segment.end_s)
    at = clock(segment.start_s)
    mark = f'<span class="check"><span aria-hidden="true">▼</span> <b>Check this:</b> {text(reason)}</span>' if reason else ""
    return (
        f'<li class="passage" {where}><button type="button" class="play time" {where} aria-label="Play from {at}">'
        f'<span class="icon" aria-hidden="true">▶</span>{at}</button><p>{_speaker(segment)}{body}{_edited(segment)}{mark}'
        f"{tools}</p></li>"
    )


def check_of(segment: Segment, checks: tuple[SegmentCheck, ...]) -> str | None:
    """The reason to check a segment, in words; None if there is none."""
    for check in checks:
        if check.reason and check.start_s == segment.start_s and check.end_s == segment.end_s:
            return REASONS[check.reason]
    return None


def _speaker(segment: Segment) -> str:
    """The name; with a question mark as long as it is a guess."""
    if segment.original_speaker is not None and segment.speaker != UNKNOWN_SPEAKER:
        return f'<span class="speaker">{text(segment.speaker.capitalize())}</span> '
    if segment.speaker == UNKNOWN_SPEAKER:
        return ""
    return f'<span class="speaker" title="{GUESSED}">{text(segment.speaker.capitalize())}?</span> '


def _edited(segment: Segment) -> str:
    if not is_edited(segment):
        return ""
    was = segment.original_text if segment.original_text is not None else f"speaker: {segment.original_speaker}"
    return f' <span class="badge">edited</span> <span class="original">was: <del>{text(was)}</del></span>'


def _words(segment: Segment, concepts: Sequence[ConceptFinding]) -> str:
    if not segment.words:
        return f'<span class="said">{text(segment.text)}</span>'
    pieces, position = [], 0
    for first, last, concept in _mentions(segment.words, concepts):
        pieces += [_word(word) for word in segment.words[position:first]]
        pieces.append(_mention(segment.words[first : last + 1], concept))
        position = last + 1
    pieces += [_word(word) for word in segment.words[position:]]
    return " ".join(pieces)


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


def _mention(words: Sequence[Word], concept: ConceptFinding) -> str:
    status = STATUSES[concept.status]
    said = " ".join(word.text for word in words)
    tag = f'<span class="tag">{status.tag}</span>' if status.tag else ""
    note = f"{concept.label}: {status.label.lower()}" + (f", said “{concept.trigger}”" if concept.trigger else "")
    return (
        f'<button type="button" class="mention mention-{status.css}" title="{text(note)}" '
        f'aria-label="{text(said)}. {text(note)}" {span_attributes(words[0].start_s, words[-1].end_s)}>'
        f"{' '.join(_word(word) for word in words)}{tag}</button>"
    )


def _word(word: Word) -> str:
    level = clarity(word.probability)
    if level == "clear":
        return f'<span class="word" data-start="{word.start_s:.2f}">{text(word.text)}</span>'
    css = level.replace(" ", "-")
    return (
        f'<span class="word {css}" data-start="{word.start_s:.2f}" title="{level} to the speech recogniser">'
        f"{text(word.text)}</span>"
    )
