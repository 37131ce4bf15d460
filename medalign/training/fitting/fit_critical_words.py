"""Fitting and measuring the marks on critical words, on spoken consultations whose words are known.

What counts is an error that changes the meaning: a negation dropped or invented; a number changed, dropped or invented; a
medicine lost. Another wording of the same is none.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

from medalign.concepts import ConceptBank, find_mentions
from medalign.concepts.pieces import FILLERS
from medalign.concepts.tokens import split_word
from medalign.core.analysis import CriticalKind
from medalign.core.transcript import Transcript
from medalign.evaluation.bootstrap import bootstrap_over_groups
from medalign.models.transcription import Transcriber
from medalign.pipeline.calibration import Calibration
from medalign.pipeline.critical_words import FITS, Candidate, candidates, is_negation, n_marks_in, numbers_in, ranked
from medalign.pipeline.listener import Listener
from medalign.training.data.synthesis import Take, timed_transcript
from medalign.training.fitting.logistic import fit_logistic
from medalign.training.fitting.observation import transcribed

CRITICAL_C = 0.3  # inverse regularisation
LEAST_PROBABILITY = 0.05  # below it a word is not marked, however few are
MARKS_PER_10_MINUTES = (1, 2, 3, 5, 10)
NEAR = 1.5  # tokens of a long wrong stretch, on either side of where the error lies by proportion
BESIDE = 1  # words between a mark and an error that whoever listens there still hears


@dataclass(frozen=True)
class CriticalError:
    """What went wrong, and the words [first, last] of the written transcript that stand there, or around what is missing."""

    kind: CriticalKind
    first: int
    last: int


@dataclass(frozen=True)
class _Token:
    text: str  # of a number its value, of a medicine its concept
    kind: CriticalKind | None
    word: int


@dataclass(frozen=True)
class ObservedWords:
    """One consultation: the words that may be marked, and the errors that should be."""

    consultation_id: str
    duration_s: float
    found: list[Candidate]
    errors: list[CriticalError]


def observe_critical_words(
    takes: Iterable[Take], transcriber: Transcriber, cache: Path, listener: Listener, *, snr_db: float | None = None
) -> Iterator[ObservedWords]:
    """What each transcript holds that may be marked, and what went wrong in it: clean, or in pink noise at `snr_db`."""
    for take in takes:
        recording, written = transcribed(take, transcriber, cache, snr_db=snr_db)
        found = candidates(written, listener.bank, listener.calibration)
        errors = critical_errors(timed_transcript(take.utterances), written, listener.bank)
        yield ObservedWords(take.consultation_id, recording.duration_s, found, errors)


def fit_critical_words(observed: Sequence[ObservedWords], calibration: Calibration) -> Calibration:
    """The three fits. Raises DataError: a kind has no error here."""
    for kind, name in FITS.items():
        rows = [
            (c.features, any(e.kind == kind and e.first <= c.word <= e.last for e in o.errors))
            for o in observed
            for c in o.found
            if c.kind == kind
        ]
        features, wrong = np.array([row for row, _ in rows]), np.array([is_wrong for _, is_wrong in rows])
        fit = fit_logistic(name, features, wrong, inverse_regularisation=CRITICAL_C, standardise=True)
        calibration = calibration.with_fit(name, replace(fit, threshold=LEAST_PROBABILITY))
    return calibration


def measure_critical_words(calibration: Calibration, observed: Sequence[ObservedWords]) -> dict:
    """Errors marked, against marks in ten minutes: by the fits, and by the recogniser's doubt of each word alone.

    `at most` is what marks that all hit another error would find.
    """
    n_errors = sum(len(o.errors) for o in observed)
    figures: dict = {
        "n_minutes": round(sum(o.duration_s for o in observed) / 60, 1),
        "n_errors": {kind: sum(e.kind == kind for o in observed for e in o.errors) for kind in FITS},
    }
    if not n_errors:
        return figures
    groups = [o.consultation_id for o in observed]
    for rate in MARKS_PER_10_MINUTES:
        counts = [_count([c for _, c in ranked(o.found, calibration)], o, rate) for o in observed]
        by_doubt = [_count(sorted(o.found, key=lambda c: c.features[0]), o, rate) for o in observed]
        table = np.array([(sum(hits.values()), len(o.errors)) for (hits, *_), o in zip(counts, observed, strict=True)])

        def share(rows: np.ndarray, table: np.ndarray = table) -> float:
            return float(table[rows, 0].sum() / max(1, table[rows, 1].sum()))

        n_marks = sum(n for *_, n in counts)
        figures[f"{rate} in 10 minutes"] = {
            "marked": round(share(np.arange(len(table))), 4),
            "interval": [round(edge, 4) for edge in bootstrap_over_groups(share, groups)],
            "at most": round(min(1.0, n_marks / n_errors), 4),
            "marks right": round(sum(right for _, right, _ in counts) / max(1, n_marks), 4),
            "marked by doubt alone": round(sum(sum(hits.values()) for hits, *_ in by_doubt) / n_errors, 4),
            "by kind": {kind: sum(hits[kind] for hits, *_ in counts) for kind in FITS},
        }
    return figures


def _count(ranking: Sequence[Candidate], observed: ObservedWords, rate: float) -> tuple[dict[CriticalKind, int], int, int]:
    """Errors of each kind that are marked, marks that are right, and marks."""
    marked = [candidate.word for candidate in ranking[: n_marks_in(observed.duration_s, rate)]]

    def hits(error: CriticalError, word: int) -> bool:
        return error.first - BESIDE <= word <= error.last + BESIDE

    found = [e.kind for e in observed.errors if any(hits(e, word) for word in marked)]
    n_right = sum(any(hits(e, word) for e in observed.errors) for word in marked)
    return {kind: found.count(kind) for kind in FITS}, n_right, len(marked)


def critical_errors(said: Transcript, written: Transcript, bank: ConceptBank) -> list[CriticalError]:
    """Tokens are aligned by edit distance; in each wrong stretch, what matters on one side has to stand on the other, too."""
    truth, heard = _tokens(said, bank), _tokens(written, bank)
    found: list[CriticalError] = []
    for a, b, c, d in _wrong_stretches(truth, heard):
        near_truth, near_heard = truth[max(0, a - 1) : b + 1], heard[max(0, c - 1) : d + 1]
        for i, token in enumerate(truth[a:b]):
            is_there = any(t.kind == token.kind and (t.text == token.text or t.kind == "negation") for t in near_heard)
            if token.kind and heard and not is_there:
                middle = c + (i + 0.5) / (b - a) * (d - c)
                first, last = (max(c, int(middle - NEAR)), min(d - 1, int(middle + NEAR))) if d > c else (c - 1, c)
                first, last = heard[max(0, first)].word, heard[min(len(heard) - 1, last)].word
                found.append(CriticalError(token.kind, first, last))
        for token in heard[c:d]:
            as_figure = token.kind == "number" and any(x.isdigit() for t in near_truth for x in t.text)  # a date, say
            if token.kind in ("negation", "number") and not as_figure and all(t.kind != token.kind for t in near_truth):
                found.append(CriticalError(token.kind, token.word, token.word))
    return list(dict.fromkeys(found))


def _tokens(transcript: Transcript, bank: ConceptBank) -> list[_Token]:
    """Lower-case words; a number or a medicine of several words is one token."""
    words = transcript.words
    whole: dict[int, list[tuple[int, CriticalKind, str]]] = {}  # by the first word: the last, and what it is
    for first, last, value in numbers_in(words):
        whole.setdefault(first, []).append((last, "number", f"{value:g}"))
    for mention in find_mentions(transcript, bank):
        inside = [i for i, w in enumerate(words) if mention.start_s <= (w.start_s + w.end_s) / 2 < mention.end_s]
        if inside and bank[mention.concept_id].category == "medicine":
            whole.setdefault(inside[0], []).append((inside[-1], "medicine", mention.concept_id))
    tokens: list[_Token] = []
    i = 0
    while i < len(words):
        if items := whole.get(i):
            tokens += [_Token(text, kind, i) for _, kind, text in items]
        else:
            parts = [part for part in split_word(words[i].text)[0] if part not in FILLERS]
            tokens += [_Token(part, "negation" if is_negation(part) else None, i) for part in parts]
        i = max((last for last, *_ in items or ()), default=i) + 1
    return tokens


def _wrong_stretches(truth: Sequence[_Token], heard: Sequence[_Token]) -> list[tuple[int, int, int, int]]:
    """Neighbouring substitutions, insertions and deletions as one: said [a, b), written [c, d)."""
    wrong: list[tuple[int, int, int, int]] = []
    for step in Levenshtein.opcodes([t.text for t in truth], [t.text for t in heard]):
        if step.tag != "equal":
            a, c = step.src_start, step.dest_start
            if wrong and (wrong[-1][1], wrong[-1][3]) == (a, c):
                a, _, c, _ = wrong.pop()
            wrong.append((a, step.src_end, c, step.dest_end))
    return wrong
