"""Who said each word: the speakers that a transcript names, against who truly spoke and when.

Conventions: a word is right if its segment names the role that said it. Written words are aligned with the said ones by
edit distance, since a recogniser's times are not exact; a word that nobody said counts for whoever speaks nearest in time.
"""

import re
from typing import Literal

import jiwer
import numpy as np

from medalign.core.transcript import DOCTOR, PATIENT, Transcript

ROLES = (DOCTOR, PATIENT)
Outcome = Literal["right", "wrong", "unknown"]


def word_outcomes(said: Transcript, written: Transcript) -> list[Outcome]:
    """What became of each written word.

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
