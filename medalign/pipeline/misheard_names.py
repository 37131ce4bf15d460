"""Misheard names put right, as suggestions: the transcript said "salby temol", the sound suggests salbutamol.

Letters and their sound say which names a stretch of words may have been (`concepts.misheard`); the student, which never saw
the words, says whether that concept is in the audio there; and the recogniser, with those names as hot words, scores how well
each fits the sound (`hotword_rescoring`). Two logistic fits, shipped with the student, make a short list of the first two and
a probability of all three. The transcript itself is never changed, and where nothing was written nothing is suggested.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medalign.concepts import ConceptBank, Mention, find_mentions
from medalign.concepts.mentions import mention_places
from medalign.concepts.misheard import CATEGORIES, Suggestion, spelt, suggest, suggest_body_parts
from medalign.concepts.tokens import sentences
from medalign.core.analysis import Correction
from medalign.core.transcript import Transcript, Word
from medalign.core.wording import READ_AS
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.evidence import AudioEvidence
from medalign.pipeline.hotword_rescoring import HotwordRescorer

EXPECTED = 0.3  # the student's probability from which on a name is looked for wherever it may be
MAX_NAMES = 5  # that are compared for the same words
BODY_PART = 0.5  # probability from which on a part of the body is suggested: the words as they are written mean nothing
MAX_RATIO = 30.0  # natural logarithm; more than certain is no more


@dataclass(frozen=True)
class Candidate:
    """A name, and the words of a transcript that it may have been."""

    suggestion: Suggestion
    first: int  # words [first, last] of the transcript
    last: int
    words: tuple[Word, ...]
    features: tuple[float, ...]  # of "misheard name, shortlist"

    def meets(self, other: "Candidate") -> bool:
        return self.first <= other.last and other.first <= self.last


def find_corrections(
    transcript: Transcript, audio: AudioEvidence, bank: ConceptBank, calibration: Calibration, rescorer: HotwordRescorer
) -> tuple[Correction, ...]:
    """Misheard names that are likely enough, in order of time; none if the student has no fit."""
    if "misheard name" not in calibration.fits:
        return ()
    listed = shortlist(candidates(transcript, audio, bank), calibration)
    found = corrections_of(listed, misheard_features(listed, rescorer), calibration, rescorer.asr_revision)
    return tuple(replace(c, name=spelt(c.name, bank[c.concept_id])) for c in found)


def candidates(transcript: Transcript, audio: AudioEvidence, bank: ConceptBank) -> list[Candidate]:
    """Every name that any odd stretch of words may have been, and what speaks for it at first sight."""
    words = transcript.words
    named = np.array([concept.category in CATEGORIES for concept in bank.concepts])
    found = []
    for sentence in sentences(transcript):
        probabilities = [words[token.word].probability for token in sentence]
        over = audio.windows_over(sentence[0].start_s, sentence[-1].end_s)
        columns = np.flatnonzero(named & (audio.probabilities[over].max(0, initial=0.0) >= EXPECTED))
        expected = {bank.concepts[column].concept_id for column in columns}
        taken = mention_places(sentence, bank)
        suggested = suggest(sentence, probabilities, taken, bank, expected)
        for suggestion in (*suggested, *suggest_body_parts(sentence, probabilities, taken, bank)):
            first, last = sentence[suggestion.start].word, sentence[suggestion.end - 1].word
            over, column = audio.windows_over(words[first].start_s, words[last].end_s), bank.column[suggestion.concept_id]
            heard = [float(of[over, column].max(initial=0.0)) for of in (audio.cosines, audio.probabilities)]
            found.append(Candidate(suggestion, first, last, words[first : last + 1], (*suggestion.features, *heard)))
    return found


def shortlist(found: Sequence[Candidate], calibration: Calibration) -> list[Candidate]:
    """Those worth rescoring: likely enough at first sight, and among the best few for their words; and the few body parts."""
    if not found:
        return []
    fit = calibration.fits["misheard name, shortlist"]
    probabilities = fit.probability(np.array([candidate.features for candidate in found]))
    listed: list[Candidate] = []
    for i in np.argsort(-probabilities, kind="stable"):
        if probabilities[i] < fit.threshold and not found[i].suggestion.is_body_part:
            continue
        if sum(found[i].meets(other) for other in listed) < MAX_NAMES:
            listed.append(found[i])
    return listed


def misheard_features(listed: Sequence[Candidate], rescorer: HotwordRescorer) -> np.ndarray:
    """The features of "misheard name", (n, k): the candidate's own, its log-likelihood ratio, and its lead over the next name.

    Names compete if they share a word.
    """
    by_words: dict[tuple[int, int], list[int]] = {}
    for i, candidate in enumerate(listed):
        by_words.setdefault((candidate.first, candidate.last), []).append(i)
    ratios = np.zeros(len(listed))
    for (first, last), rows in by_words.items():
        ratios[rows] = rescorer.log_likelihood_ratios(first, last, [listed[i].suggestion.name for i in rows])
    features = []
    scored = list(zip(listed, ratios, strict=True))
    for candidate, ratio in scored:
        own = candidate.suggestion.concept_id
        competing = [r for other, r in scored if other.suggestion.concept_id != own and other.meets(candidate)]
        lead = ratio - max(competing, default=-MAX_RATIO)
        features.append((*candidate.features, *np.clip([ratio, lead], -MAX_RATIO, MAX_RATIO)))
    return np.array(features) if features else np.zeros((0, 0))


def corrections_of(
    listed: Sequence[Candidate], features: np.ndarray, calibration: Calibration, asr_revision: str
) -> tuple[Correction, ...]:
    """The likeliest that are likely enough for that recogniser, no two for the same word, in order of time."""
    if not listed:
        return ()
    probabilities = calibration.fits["misheard name"].probability(features)
    threshold = calibration.threshold("misheard name", asr_revision)
    chosen: list[int] = []
    for i in np.argsort(-probabilities, kind="stable"):
        if probabilities[i] < (BODY_PART if listed[i].suggestion.is_body_part else threshold):
            continue
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
    met = [next((c for c in corrections if c.meets(mention.start_s, mention.end_s)), None) for mention in mentions]
    return tuple(replace(m, text=f"{c.said}{READ_AS}{m.text}") if c else m for m, c in zip(mentions, met, strict=True))


def _rewritten(transcript: Transcript, corrections: Sequence[Correction]) -> Transcript:
    by_first = {correction.first_word: correction for correction in corrections}
    segments, position = [], 0
    for segment in transcript.segments:
        words: list[Word] = []
        i = 0
        while i < len(segment.words):
            correction = by_first.get(position + i)
            end = i + 1 if correction is None else i + 1 + correction.last_word - correction.first_word
            words += _words_of(correction, segment.words[i:end]) if correction else segment.words[i:end]
            i = end
        position += len(segment.words)
        segments.append(segment.with_words(words))
    return replace(transcript, segments=tuple(segments))


def _words_of(correction: Correction, replaced: Sequence[Word]) -> list[Word]:
    """The name's words in the time of those that it replaces; the punctuation at their end stays."""
    names = correction.name.split()
    last = replaced[-1].text
    names[-1] += last[len(last.rstrip(".,;:!?")) :]
    edges = np.linspace(correction.start_s, correction.end_s, len(names) + 1).tolist()
    certainty = min(word.probability for word in replaced)
    return [Word(a, b, name, certainty) for a, b, name in zip(edges, edges[1:], names, strict=False)]
