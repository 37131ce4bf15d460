"""Word errors of each segment of a transcript, against what was truly said and when.

Conventions: the whole recording is aligned at once by edit distance, so that a segment boundary in another place costs
nothing; words are normalised as for a word error rate. A dropped word counts for the segment nearest to it in time.
"""

import jiwer
import numpy as np
from jaxtyping import Float

from medalign.core.transcript import Transcript
from medalign.evaluation.word_errors import normalize


def segment_error_rates(said: Transcript, written: Transcript) -> Float[np.ndarray, " segments"]:
    """Substituted, inserted and dropped words of each segment of `written`, by the words said there.

    At least 0; over 1 where more was written or dropped than was said. A segment in which nothing was said has 1 for each
    word written.
    """
    reference, at_s = _words(said)
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


def _words(said: Transcript) -> tuple[list[str], np.ndarray]:
    words, at_s = [], []
    for segment in said.segments:
        found = normalize(segment.text).split()
        words += found
        middles = (np.arange(len(found)) + 0.5) / max(1, len(found))
        at_s.append(segment.start_s + (segment.end_s - segment.start_s) * middles)
    return words, np.concatenate(at_s) if at_s else np.zeros(0)
