"""Speech recognition: how many words does the recogniser get wrong, in all and in each segment, and who is said to say them?

Conventions: references and hypotheses are strings as they were written; both are normalised before they are compared, by
the normaliser that Whisper's paper and the Open ASR Leaderboard report with, so that figures compare with theirs. Transcripts
are aligned as a whole by edit distance, so that a segment boundary in another place, or an inexact time, costs nothing.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import jiwer
import numpy as np
from jaxtyping import Float

from medalign.core.transcript import DOCTOR, PATIENT, Transcript

ROLES = (DOCTOR, PATIENT)
Outcome = Literal["right", "wrong", "unknown"]


def normalize(text: str) -> str:
    """Lower case, no marks, no fillers (uh, hmm), no remarks in brackets, contractions in full, numbers in digits.

    British and American spellings stay different words. OpenAI's table of spellings is not part of transformers; the
    package that ships it (whisper-normalizer) brings number words of Indian languages along, and hardly changes a figure.
    With the table, errors of tiny.en fall from 75 to 74 of 1,244 words on the six example recordings, from 248 to 246 of
    1,908 on LibriSpeech test-other, and stay at 79 of 927 on HiFiTTS.

    Source: Radford et al. 2022 (arXiv 2212.04356), appendix C.
    """
    return _normalizer()(text)


@cache
def _normalizer() -> Callable[[str], str]:  # transformers takes a second to import; only this needs it here
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    return EnglishTextNormalizer({})


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, float]:
    """Substituted, deleted and inserted words over the words of all references; over 1 if many are inserted.

    Raises:
        ValueError: if the numbers of texts differ, or the references hold no word.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, {len(hypotheses)} hypotheses")
    said, written = [normalize(text) for text in references], [normalize(text) for text in hypotheses]
    if not any(character.isalnum() for text in said for character in text):  # a last full stop may stay
        raise ValueError("the references hold no word")
    counts = jiwer.process_words(said, written)
    return {
        "word_error_rate": counts.wer,
        "n_words": counts.hits + counts.substitutions + counts.deletions,
        "n_substituted": counts.substitutions,
        "n_deleted": counts.deletions,
        "n_inserted": counts.insertions,
    }


def segment_error_rates(said: Transcript, written: Transcript) -> Float[np.ndarray, " segments"]:
    """Substituted, inserted and dropped words of each segment of `written`, by the words said there.

    At least 0; over 1 where more was written or dropped than was said. A segment in which nothing was said has 1 for each
    word written. A dropped word counts for the segment nearest to it in time.
    """
    reference, at_s = _timed_words(said)
    hypothesis = [(i, word) for i, segment in enumerate(written.segments) for word in normalize(segment.text).split()]
    owners = np.array([i for i, _ in hypothesis], int)
    edges_s = np.array([(s.start_s, s.end_s) for s in written.segments], float).reshape(-1, 2)
    n_errors, n_said = np.zeros(len(edges_s)), np.zeros(len(edges_s))
    if not len(edges_s):
        return n_errors
    aligned = jiwer.process_words(" ".join(reference), " ".join(word for _, word in hypothesis))
    for chunk in aligned.alignments[0]:
        if chunk.type == "delete":
            for i in range(chunk.ref_start_idx, chunk.ref_end_idx):
                distance_s = np.maximum(0, np.maximum(edges_s[:, 0] - at_s[i], at_s[i] - edges_s[:, 1]))
                nearest = distance_s.argmin()
                n_errors[nearest] += 1
                n_said[nearest] += 1
            continue
        for owner in owners[chunk.hyp_start_idx : chunk.hyp_end_idx]:
            n_errors[owner] += chunk.type != "equal"
            n_said[owner] += chunk.type != "insert"
    return n_errors / np.maximum(n_said, 1)


def _timed_words(said: Transcript) -> tuple[list[str], np.ndarray]:
    words, at_s = [], []
    for segment in said.segments:
        found = normalize(segment.text).split()
        words += found
        middles = (np.arange(len(found)) + 0.5) / max(1, len(found))
        at_s.append(segment.start_s + (segment.end_s - segment.start_s) * middles)
    return words, np.concatenate(at_s) if at_s else np.zeros(0)


def word_outcomes(said: Transcript, written: Transcript) -> list[Outcome]:
    """What became of each written word: it is right if its segment names the role that said it.

    A word that nobody said counts for whoever speaks nearest in time.

    Args:
        said: at least one segment, each with its role as the speaker.
    """
    named = [segment.speaker for segment in written.segments for _ in segment.words]
    return [
        "unknown" if name not in ROLES else "right" if name == role else "wrong"
        for name, role in zip(named, _true_roles(said, written), strict=True)
    ]


def _true_roles(said: Transcript, written: Transcript) -> list[str]:
    """Who said each written word."""
    edges_s = np.array([(segment.start_s, segment.end_s) for segment in said.segments])
    roles = []
    for word in written.words:
        distance_s = abs(edges_s.mean(1) - (word.start_s + word.end_s) / 2) - np.diff(edges_s)[:, 0] / 2
        roles.append(said.segments[int(distance_s.argmin())].speaker)
    if not roles:
        return []
    reference = [(_plain(word.text), segment.speaker) for segment in said.segments for word in segment.words]
    hypothesis = [_plain(word.text) for word in written.words]
    aligned = jiwer.process_words(" ".join(word for word, _ in reference), " ".join(hypothesis))
    for chunk in aligned.alignments[0]:
        if chunk.type in ("equal", "substitute"):
            for i in range(chunk.hyp_end_idx - chunk.hyp_start_idx):
                roles[chunk.hyp_start_idx + i] = reference[chunk.ref_start_idx + i][1]
    return roles


def _plain(word: str) -> str:
    return re.sub(r"[^\w]", "", word.lower()) or "-"
