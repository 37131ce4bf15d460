"""In which sense a statement's own telling words are said, by the status classifier; the bank need not know them.

The anchor of a statement is the rarest words that it shares with the stretches that fit it; what is said of them there (denied,
somebody else's, stopped) is held against what the statement says.
"""

from collections.abc import Sequence

import numpy as np

from medalign.concepts.notes import Clause
from medalign.concepts.tokens import phrase_tokens, stem
from medalign.models.status_classifier import ACTIONS, STATUSES, StatusClassifier
from medalign.pipeline.assertion import contexts_at
from medalign.pipeline.notes.claims import STOPPED
from medalign.pipeline.notes.passages import Passages
from medalign.pipeline.notes.said import Said, Stretch
from medalign.pipeline.notes.words import NEGATORS, RELATIVES, content

ANCHOR = ("anchored", "anchor denied", "anchor polarity differs", "anchor person differs", "anchor over or stopped differs")
MAX_PLACES = 2  # occurrences of the anchor that are read
BEFORE, AFTER = 16, 20  # words around it
LEAST_WEIGHT = 4.0  # a commoner word anchors nothing
NO, OVER = STATUSES.index("negated"), (STATUSES.index("resolved"), STATUSES.index("historical"))
ENDED = [ACTIONS.index(action) for action in ("stopped", "not_taking")]


def anchors(clause: Clause, best: Sequence[Stretch], passages: Passages) -> list[int]:
    """Words of the transcript, at most `MAX_PLACES`, that are the statement's rarest and lie in its best stretches."""
    words = passages.words
    for key, weight in sorted(content(clause.plain).items(), key=lambda item: -item[1]):
        if weight < LEAST_WEIGHT or key in OF_STATUS:
            continue
        for stretch in best:
            inside = [at for at in passages.places.get(key, ()) if stretch.start_s <= words[at].start_s < stretch.end_s]
            if inside:
                return inside[:MAX_PLACES]
    return []


OF_STATUS = frozenset(stem(token) for token in NEGATORS | RELATIVES)


def anchor_features(clauses: Sequence[Clause], best: Sequence[Sequence[Stretch]], said: Said) -> np.ndarray:
    """(n, len(ANCHOR)); zeros where a statement has no anchor."""
    found = np.zeros((len(clauses), len(ANCHOR)), np.float32)
    if not said.transcript.words:
        return found
    places = [anchors(clause, b, said.passages) for clause, b in zip(clauses, best, strict=True)]
    distinct = sorted({at for row in places for at in row})
    if not distinct:
        return found
    contexts = [c.cut(BEFORE, AFTER) for c in contexts_at(said.transcript, [(at, at + 1) for at in distinct])]
    read = StatusClassifier.load().predict(contexts)
    row_of = {at: i for i, at in enumerate(distinct)}
    for i, (clause, row) in enumerate(zip(clauses, places, strict=True)):
        if not row:
            continue
        rows = [row_of[at] for at in row]
        denied = float(read.statuses[rows, NO].mean())
        other = float(read.other[rows].mean())
        ended = float(np.maximum(read.statuses[rows][:, OVER].sum(1), read.actions[rows][:, ENDED].sum(1)).mean())
        tokens = frozenset(phrase_tokens(clause.plain))
        says_no = float(bool(tokens & NEGATORS))
        says_other = float(bool(tokens & RELATIVES) or clause.section == "family")
        says_ended = float(bool(STOPPED.search(clause.plain)) or clause.section == "past")
        found[i] = (1.0, denied, abs(says_no - denied), abs(says_other - other), abs(says_ended - ended))
    return found
