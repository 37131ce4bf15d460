"""Misheard names put right, as suggestions: the transcript said "salby temol", the sound suggests salbutamol.

Three witnesses. Letters and their sound say which names a stretch of words may have been (`concepts.misheard`); the
student, which never saw the words, says whether it hears that concept there; and the recogniser, asked again with those
names before it, says how well each fits the sound (`second_pass`). Two logistic fits, shipped with the student, make a
short list of the first two and a probability of all three. The transcript itself is never changed, and where nothing was
written nothing is suggested: silence stays silent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medalign.concepts import ConceptBank, Mention, find_mentions
from medalign.concepts.mentions import mention_places
from medalign.concepts.misheard import CATEGORIES, Suggestion, suggest
from medalign.concepts.tokens import Token, sentences
from medalign.core.analysis import Correction
from medalign.core.transcript import Transcript, Word
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.evidence import AudioEvidence
from medalign.pipeline.hotword_rescoring import HotwordRescorer

ARROW = " → "  # between what was written and what it is taken for
EXPECTED = 0.3  # the student's probability from which on a name is looked for wherever it may be
SHORTLIST_FROM = 0.1  # probability before the second pass; a lower bound costs time and finds hardly more
MAX_RIVALS = 5  # names that the second pass compares for the same words
MAX_GAIN = 30.0  # natural logarithm; more than certain is no more


@dataclass(frozen=True)
class Candidate:
    """A name, and the words of a transcript that it may have been."""

    suggestion: Suggestion
    first: int  # words [first, last] of the transcript
    last: int
    words: tuple[Word, ...]
    features: tuple[float, ...]  # letters, sound and the student's ear: what the short list is fitted on

    def meets(self, other: "Candidate") -> bool:
        return self.first <= other.last and other.first <= self.last


def find_corrections(
    transcript: Transcript, heard: AudioEvidence, bank: ConceptBank, reference: Calibration, second_pass: HotwordRescorer
) -> tuple[Correction, ...]:
    """Names that the transcript garbled and that are likely enough, in order of time; none if the student has no fit."""
    if reference.correction_fit is None:
        return ()
    listed = shortlist(candidates(transcript, heard, bank), reference)
    return corrections_of(listed, weigh(listed, second_pass), reference, second_pass.asr)


def candidates(transcript: Transcript, heard: AudioEvidence, bank: ConceptBank) -> list[Candidate]:
    """Every name that any odd stretch of words may have been, and what speaks for it at first sight."""
    words = transcript.words
    named = np.array([concept.category in CATEGORIES for concept in bank.concepts])
    found = []
    for sentence in sentences(transcript):
        probabilities = [words[token.word].probability for token in sentence]
        over = _windows_over(heard, sentence[0].start_s, sentence[-1].end_s)
        columns = np.flatnonzero(named & (heard.probabilities[over].max(0, initial=0.0) >= EXPECTED))
        expected = {bank.concepts[column].concept_id for column in columns}
        for suggestion in suggest(sentence, probabilities, mention_places(sentence, bank), bank, expected):
            found.append(_candidate(suggestion, sentence, words, heard, bank))
    return found


def _candidate(
    suggestion: Suggestion, sentence: Sequence[Token], words: tuple[Word, ...], heard: AudioEvidence, bank: ConceptBank
) -> Candidate:
    first, last = sentence[suggestion.start].word, sentence[suggestion.end - 1].word
    over = _windows_over(heard, words[first].start_s, words[last].end_s)
    column = bank.column[suggestion.concept_id]
    cosine = float(heard.cosines[over, column].max(initial=0.0))
    probability = float(heard.probabilities[over, column].max(initial=0.0))
    return Candidate(suggestion, first, last, words[first : last + 1], (*suggestion.features, cosine, probability))


def _windows_over(heard: AudioEvidence, start_s: float, end_s: float) -> list[int]:
    return [i for i, (a, b) in enumerate(heard.windows_s) if a < end_s and b > start_s]


def shortlist(found: Sequence[Candidate], reference: Calibration) -> list[Candidate]:
    """Those worth a second pass: likely enough at first sight, and among the best few for their words."""
    if not found:
        return []
    suspected = reference.suspected(np.array([candidate.features for candidate in found]))
    listed: list[Candidate] = []
    for i in np.argsort(-suspected, kind="stable"):
        if suspected[i] < SHORTLIST_FROM:
            break
        if sum(found[i].meets(other) for other in listed) < MAX_RIVALS:
            listed.append(found[i])
    return listed


def weigh(listed: Sequence[Candidate], second_pass: HotwordRescorer) -> np.ndarray:
    """What the probability of each is fitted on, (n, n_features): the candidate's own, its gain, and that over its best rival.

    See `HotwordRescorer.gains`; rivals are other names for words that both share.
    """
    by_words: dict[tuple[int, int], list[int]] = {}
    for i, candidate in enumerate(listed):
        by_words.setdefault((candidate.first, candidate.last), []).append(i)
    gains = np.zeros(len(listed))
    for (first, last), rows in by_words.items():
        gains[rows] = second_pass.gains(first, last, [listed[i].suggestion.name for i in rows])
    features = []
    for candidate, gain in zip(listed, gains, strict=True):
        rivals = [
            other_gain
            for other, other_gain in zip(listed, gains, strict=True)
            if other.suggestion.concept_id != candidate.suggestion.concept_id and other.meets(candidate)
        ]
        lead = gain - max(rivals, default=-MAX_GAIN)
        features.append((*candidate.features, *np.clip([gain, lead], -MAX_GAIN, MAX_GAIN)))
    return np.array(features) if features else np.zeros((0, 0))


def corrections_of(
    listed: Sequence[Candidate], features: np.ndarray, reference: Calibration, asr: str
) -> tuple[Correction, ...]:
    """The likeliest that are likely enough for that recogniser (revision), no two for the same word, in order of time."""
    if not listed:
        return ()
    probabilities = reference.misheard(features)
    chosen: list[int] = []
    for i in np.argsort(-probabilities, kind="stable"):
        if probabilities[i] < reference.correction_threshold_for(asr):
            break
        if not any(listed[i].meets(listed[j]) for j in chosen):
            chosen.append(int(i))
    return tuple(_correction(listed[i], float(probabilities[i])) for i in sorted(chosen, key=lambda i: listed[i].first))


def _correction(candidate: Candidate, probability: float) -> Correction:
    return Correction(
        candidate.first,
        candidate.last,
        " ".join(word.text for word in candidate.words).strip(" .,;:!?"),
        candidate.suggestion.name,
        candidate.suggestion.concept_id,
        round(probability, 4),
        candidate.words[0].start_s,
        candidate.words[-1].end_s,
    )


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
        if correction.meets(mention.start_s, mention.end_s):
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
        segments.append(replace(segment, text=" ".join(w.text for w in words), words=tuple(words)))
    return replace(transcript, segments=tuple(segments))


def _words_of(correction: Correction, replaced: Sequence[Word]) -> list[Word]:
    """The name's words in the time of those that it replaces; the punctuation at their end stays."""
    names = correction.name.split()
    last = replaced[-1].text
    names[-1] += last[len(last.rstrip(".,;:!?")) :]
    edges = np.linspace(correction.start_s, correction.end_s, len(names) + 1).tolist()
    certainty = min(word.probability for word in replaced)
    return [Word(a, b, name, certainty) for a, b, name in zip(edges, edges[1:], names, strict=False)]
