"""What a person puts right in a transcript: words of a segment, who says it, what a speaker is called.

The original stays beside the change (`Segment.original_text`, `Segment.original_speaker`), and words that were not
touched keep their times and probabilities. Words that a person wrote are certain: their probability is 1.
"""

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

import numpy as np

from medalign.core.analysis import Correction
from medalign.core.errors import DataError
from medalign.core.transcript import DOCTOR, PATIENT, UNKNOWN_SPEAKER, Segment, Transcript, Word

MAX_TEXT = 2000  # characters of a segment
MAX_SPEAKER = 40
ROLES = frozenset([DOCTOR, PATIENT, UNKNOWN_SPEAKER])  # are one, however they are typed; names keep their capitals


def edit_segment(transcript: Transcript, index: int, text: str, speaker: str) -> Transcript:
    """The transcript with other words, or another speaker, in segment `index`.

    Raises:
        DataError: there is no such segment, or the text or the name is empty or too long.
    """
    segment = _segment(transcript, index)
    text, speaker = " ".join(text.split()), _named(speaker)
    if not text or len(text) > MAX_TEXT:
        raise DataError(f"a segment of {len(text)} characters can't be kept; write 1 to {MAX_TEXT}")
    if text != segment.text:
        original = segment.text if segment.original_text is None else segment.original_text
        words = _timed(segment, text.split())
        segment = replace(segment, text=text, words=words, original_text=None if text == original else original)
    segment = _spoken_by(segment, speaker)
    return replace(transcript, segments=(*transcript.segments[:index], segment, *transcript.segments[index + 1 :]))


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
        before, after: the transcript around one edit, segment for segment the same recording.
    """
    starts_before, starts_after = _first_words(before), _first_words(after)
    kept = []
    for correction in corrections:
        i = int(np.searchsorted(starts_before, correction.first_word, side="right")) - 1
        first, n = correction.first_word - int(starts_before[i]), correction.last_word - correction.first_word + 1
        words, now = before.segments[i].words[first : first + n], after.segments[i].words
        for at in range(len(now) - n + 1):
            if now[at : at + n] == words:  # with their times, so there is one such place at most
                first_word = int(starts_after[i]) + at
                kept.append(replace(correction, first_word=first_word, last_word=first_word + n - 1))
                break
    return tuple(kept)


def with_correction(transcript: Transcript, correction: Correction) -> Transcript:
    """The transcript with a suggested name written into it, as a person's change."""
    starts = _first_words(transcript)
    i = int(np.searchsorted(starts, correction.first_word, side="right")) - 1
    segment = transcript.segments[i]
    first, last = correction.first_word - int(starts[i]), correction.last_word - int(starts[i])
    words = [word.text for word in segment.words]
    written = words[last]
    end = written[len(written.rstrip(".,;:!?")) :]
    text = " ".join([*words[:first], correction.name + end, *words[last + 1 :]])
    return edit_segment(transcript, i, text, segment.speaker)


def _segment(transcript: Transcript, index: int) -> Segment:
    if not 0 <= index < len(transcript.segments):
        raise DataError(f"segment {index + 1} does not exist; the transcript has {len(transcript.segments)}")
    return transcript.segments[index]


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


def _first_words(transcript: Transcript) -> np.ndarray:
    """The index of each segment's first word among all words, (n_segments,)."""
    lengths = [len(segment.words) for segment in transcript.segments]
    return np.cumsum([0, *lengths])[:-1]
