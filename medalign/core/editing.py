"""What a person puts right in a transcript: words of a segment, who says it, what a speaker is called.

The original stays beside the change (`Segment.original_text`, `Segment.original_speaker`), and words that were not
touched keep their times and probabilities. Words that a person wrote are certain: their probability is 1.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

import numpy as np

from medalign.core.analysis import Correction
from medalign.core.errors import DataError
from medalign.core.transcript import DOCTOR, PATIENT, UNKNOWN_SPEAKER, Segment, Transcript, Word
from medalign.core.wording import clock

MAX_TEXT = 2000  # characters of a segment
MAX_SPEAKER = 40
LEAST_PAUSE_S = 0.2  # about the shortest word
ROLES = frozenset([DOCTOR, PATIENT, UNKNOWN_SPEAKER])  # are one, however they are typed; names keep their capitals


def edit_segment(transcript: Transcript, index: int, text: str, speaker: str) -> Transcript:
    """The transcript with other words, or another speaker, in segment `index`.

    Raises:
        DataError: there is no such segment, or the text or the name is empty or too long.
    """
    if not 0 <= index < len(transcript.segments):
        raise DataError(f"segment {index + 1} does not exist; the transcript has {len(transcript.segments)}")
    segment = transcript.segments[index]
    text, speaker = " ".join(text.split()), _named(speaker)
    _check_length(text)
    if text != segment.text:
        original = segment.text if segment.original_text is None else segment.original_text
        words = _timed(segment, text.split())
        segment = replace(segment, text=text, words=words, original_text=None if text == original else original)
    segment = _spoken_by(segment, speaker)
    return replace(transcript, segments=(*transcript.segments[:index], segment, *transcript.segments[index + 1 :]))


def write_between(transcript: Transcript, start_s: float, end_s: float, text: str, speaker: str) -> Transcript:
    """The transcript with words where it has none: a new segment, in the longest pause between words of a stretch. A segment
    that goes on after that pause becomes two.

    Raises:
        DataError: as `edit_segment`; or words are written all over the stretch, or a person has changed the segment around it.
    """
    text, speaker = " ".join(text.split()), _named(speaker)
    _check_length(text)
    start_s, end_s = _longest_pause(transcript, start_s, end_s)
    before: list[Segment] = []
    after: list[Segment] = []
    for segment in transcript.segments:
        first = tuple(word for word in segment.words if word.start_s < start_s)
        if not first or len(first) == len(segment.words):
            (before if segment.start_s < start_s else after).append(segment)
            continue
        if segment.original_text is not None:
            raise DataError(f"a changed segment runs on here; add the words to the one at {clock(segment.start_s)}")
        last = segment.words[len(first) :]
        before.append(segment.with_words(first, end_s=start_s))
        after.append(segment.with_words(last, start_s=end_s))
    new = _spoken_by(Segment(start_s, end_s, "", (), original_text=""), speaker)
    new = new.with_words(_timed(new, text.split()))
    return replace(transcript, segments=(*before, new, *after))


def rename_speaker(transcript: Transcript, speaker: str, name: str) -> Transcript:
    """The transcript with one speaker called otherwise everywhere. Raises DataError as `edit_segment`."""
    name = _named(name)
    segments = (_spoken_by(s, name) if s.speaker == speaker else s for s in transcript.segments)
    return replace(transcript, segments=tuple(segments))


def is_edited(segment: Segment) -> bool:
    """Whether a person has changed it."""
    return segment.original_text is not None or segment.original_speaker is not None


def by_recogniser(segment: Segment) -> tuple[bool, ...]:
    """Of each word, whether it stands as the recogniser wrote it; of a segment that nobody changed, all do."""
    texts = [word.text for word in segment.words]
    if segment.original_text is None:
        return (True,) * len(texts)
    kept = [False] * len(texts)
    for start, _, n in SequenceMatcher(a=texts, b=segment.original_text.split(), autojunk=False).get_matching_blocks():
        kept[start : start + n] = [True] * n
    return tuple(kept)


def kept_corrections(before: Transcript, after: Transcript, corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """Those that still stand after an edit, pointing to the same words: whoever rewrote these has settled them, and no others.

    Args:
        before, after: the transcript around one edit.
    """
    kept, now = [], after.words
    places = {word: i for i, word in reversed(list(enumerate(now)))}  # with their times, so each has one place
    for correction in corrections:
        words = before.words[correction.first_word : correction.last_word + 1]
        first_word = places.get(words[0], len(now))
        if now[first_word : first_word + len(words)] == words:
            kept.append(replace(correction, first_word=first_word, last_word=first_word + len(words) - 1))
    return tuple(kept)


def with_correction(transcript: Transcript, correction: Correction, kept: Collection[int] = ()) -> Transcript:
    """The transcript with a suggested name written into it, as a person's change; `kept` as for `write_over`."""
    return _write_over(transcript, correction.first_word, correction.last_word, correction.name, kept)


def write_over(transcript: Transcript, start_s: float, end_s: float, text: str, kept: Collection[int] = ()) -> Transcript:
    """The transcript with other words for those of a stretch, as a person's change.

    Args:
        kept: indices of words that stay whatever is written, such as a dose beside a name. Where the whole stretch is such, the
            text is inserted before it.

    Raises:
        DataError: there are no words in the stretch.
    """
    there = [i for i, word in enumerate(transcript.words) if start_s <= (word.start_s + word.end_s) / 2 <= end_s]
    if not there:
        raise DataError(f"there are no words at {clock(start_s)} any more")
    return _write_over(transcript, there[0], there[-1], text, kept)


def _write_over(transcript: Transcript, first_word: int, last_word: int, text: str, kept: Collection[int]) -> Transcript:
    """Punctuation behind the last word stays."""
    starts = np.cumsum([0, *(len(segment.words) for segment in transcript.segments)])[:-1]  # each segment's first word
    i = int(np.searchsorted(starts, first_word, side="right")) - 1
    segment = transcript.segments[i]
    first, last = first_word - int(starts[i]), last_word - int(starts[i])
    words, amounts = [word.text for word in segment.words], {n - int(starts[i]) for n in kept}
    replaced = [n for n in range(first, last + 1) if n not in amounts]
    if replaced:
        written = words[replaced[-1]]
        text += written[len(written.rstrip(".,;:!?")) :]
    else:
        while first - 1 in amounts:
            first -= 1
    at = replaced[0] if replaced else first
    behind = [word for n, word in enumerate(words) if n >= at and n not in replaced]
    return edit_segment(transcript, i, " ".join([*words[:at], text, *behind]), segment.speaker)


def _check_length(text: str) -> None:
    if not text or len(text) > MAX_TEXT:
        raise DataError(f"a segment of {len(text)} characters can't be kept; write 1 to {MAX_TEXT}")


def _longest_pause(transcript: Transcript, start_s: float, end_s: float) -> tuple[float, float]:
    """Of a stretch, in seconds. Raises DataError if there is none that could hold a word."""
    free, begins_s = (start_s, start_s), start_s
    for word in [*sorted(transcript.words, key=lambda word: word.start_s), Word(end_s, end_s, "", 1.0)]:
        pause = begins_s, min(word.start_s, end_s)
        if pause[1] - pause[0] > free[1] - free[0]:
            free = pause
        begins_s = max(begins_s, word.end_s)
    if free[1] - free[0] < LEAST_PAUSE_S:
        raise DataError(f"there are words at {clock(start_s)} already; change these instead")
    return free


def _named(speaker: str) -> str:
    name = " ".join(speaker.split()) or UNKNOWN_SPEAKER
    if name.lower() in ROLES:
        name = name.lower()
    if len(name) > MAX_SPEAKER:
        raise DataError(f"a speaker's name of {len(name)} characters is too long; use up to {MAX_SPEAKER}")
    return name


def _spoken_by(segment: Segment, speaker: str) -> Segment:
    if speaker == segment.speaker:
        return segment
    original = segment.speaker if segment.original_speaker is None else segment.original_speaker
    return replace(segment, speaker=speaker, original_speaker=None if speaker == original else original)


def _timed(segment: Segment, texts: list[str]) -> tuple[Word, ...]:
    """The new words with times: what stayed keeps its own, what changed shares the time of what it replaces."""
    old = segment.words
    words: list[Word] = []
    matcher = SequenceMatcher(a=[w.text for w in old], b=texts, autojunk=False)
    for kind, a0, a1, b0, b1 in matcher.get_opcodes():
        if kind == "equal":
            words += old[a0:a1]
            continue
        start_s = old[a0 - 1].end_s if a0 else segment.start_s
        end_s = old[a1].start_s if a1 < len(old) else segment.end_s
        if a1 > a0:  # in the place of words, not in the pauses around them
            start_s, end_s = old[a0].start_s, old[a1 - 1].end_s
        edges = np.linspace(start_s, max(start_s, end_s), b1 - b0 + 1).round(3).tolist()
        words += [Word(a, b, text, 1.0) for a, b, text in zip(edges, edges[1:], texts[b0:b1], strict=False)]
    return tuple(words)
