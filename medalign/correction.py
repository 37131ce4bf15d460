"""Misheard names put right, as suggestions: the transcript said "salby temol", the sound suggests salbutamol.

Two witnesses again. The letters and their sound say which name a stretch of words may have been (`concepts.misheard`);
the student, which never saw the words, says whether it hears that concept there. One logistic fit, shipped with the
student, turns both into a probability. The transcript itself is never changed.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medalign.analysis import Correction
from medalign.concepts import ConceptBank, Mention, find_mentions
from medalign.concepts.mentions import mention_places
from medalign.concepts.misheard import Suggestion, suggest
from medalign.concepts.tokens import sentences
from medalign.testimony import Heard
from medalign.transcript import Segment, Transcript, Word
from medalign.zero_shot import Reference

ARROW = " → "  # between what was written and what it is taken for


def find_corrections(transcript: Transcript, heard: Heard, bank: ConceptBank, reference: Reference) -> tuple[Correction, ...]:
    """Names that the transcript garbled and that are likely enough, in order of time; none if the student has no fit."""
    if reference.correction_fit is None:
        return ()
    found = []
    for suggestion, first, last, words in suggestions(transcript, bank):
        features = correction_features(suggestion, heard, bank, words[0].start_s, words[-1].end_s)
        probability = reference.misheard(features)
        if probability >= reference.correction_threshold:
            found.append(
                Correction(
                    first,
                    last,
                    " ".join(word.text for word in words).strip(" .,;:!?"),
                    suggestion.name,
                    suggestion.concept_id,
                    round(probability, 4),
                    words[0].start_s,
                    words[-1].end_s,
                )
            )
    return tuple(found)


def suggestions(transcript: Transcript, bank: ConceptBank) -> Sequence[tuple[Suggestion, int, int, tuple[Word, ...]]]:
    """Every suggestion with the words of the transcript [first, last] that it is about, and these words."""
    words = transcript.words
    found = []
    for sentence in sentences(transcript):
        probabilities = [words[token.word].probability for token in sentence]
        for suggestion in suggest(sentence, probabilities, mention_places(sentence, bank), bank):
            first, last = sentence[suggestion.start].word, sentence[suggestion.end - 1].word
            found.append((suggestion, first, last, words[first : last + 1]))
    return found


def correction_features(
    suggestion: Suggestion, heard: Heard, bank: ConceptBank, start_s: float, end_s: float
) -> tuple[float, ...]:
    """The suggestion's own, then how near the student's best window over those words is to the name, and how likely."""
    over = [i for i, (a, b) in enumerate(heard.windows_s) if a < end_s and b > start_s]
    column = bank.column[suggestion.concept_id]
    if not over:
        return (*suggestion.features, 0.0, 0.0)
    cosine = float(heard.cosines[over, column].max())
    return (*suggestion.features, cosine, float(heard.probabilities[over, column].max()))


def find_corrected_mentions(
    transcript: Transcript, corrections: Sequence[Correction], bank: ConceptBank
) -> tuple[Mention, ...]:
    """`find_mentions` as if the corrections had been written, so that status and neighbours are read with them.

    A mention that rests on a correction shows both: "salby temol → salbutamol".
    """
    if not corrections:
        return find_mentions(transcript, bank)
    mentions = find_mentions(_rewritten(transcript, corrections), bank)
    return tuple(_told(mention, corrections) for mention in mentions)


def _told(mention: Mention, corrections: Sequence[Correction]) -> Mention:
    for correction in corrections:
        if mention.start_s < correction.end_s and mention.end_s > correction.start_s:
            return replace(mention, text=f"{correction.said}{ARROW}{mention.text}")
    return mention


def _rewritten(transcript: Transcript, corrections: Sequence[Correction]) -> Transcript:
    by_first = {correction.first_word: correction for correction in corrections}
    segments, position = [], 0
    for segment in transcript.segments:
        words: list[Word] = []
        i = 0
        while i < len(segment.words):
            correction = by_first.get(position + i)
            if correction is None:
                words.append(segment.words[i])
                i += 1
                continue
            n = correction.last_word - correction.first_word + 1
            words += _words_of(correction, segment.words[i : i + n])
            i += n
        position += len(segment.words)
        segments.append(Segment(segment.start_s, segment.end_s, " ".join(w.text for w in words), tuple(words), segment.speaker))
    return replace(transcript, segments=tuple(segments))


def _words_of(correction: Correction, replaced: Sequence[Word]) -> list[Word]:
    """The name's words in the time of those that it replaces; the punctuation at their end stays."""
    names = correction.name.split()
    last = replaced[-1].text
    names[-1] += last[len(last.rstrip(".,;:!?")) :]
    edges = np.linspace(correction.start_s, correction.end_s, len(names) + 1).tolist()
    certainty = min(word.probability for word in replaced)
    return [Word(a, b, name, certainty) for a, b, name in zip(edges, edges[1:], names, strict=False)]
