"""Mentions of real conversations, labelled by reading: in which sense each was said, whose it is, what is done with a medicine.

The labels lie in `assets/annotations/mentions.csv`; the conversations' text does not, it is read from where the user keeps it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import get_args

from medalign.concepts import transcript_from_text
from medalign.core.analysis import Action
from medalign.core.errors import DataError
from medalign.core.tables import numbered_rows
from medalign.core.transcript import Segment
from medalign.models.status_classifier import STATUSES, MentionContext
from medalign.pipeline.assertion import contexts_at
from medalign.training.data.consultations import Consultation
from medalign.training.data.facts import ANNOTATIONS, REMEDY
from medalign.training.status.grammar import Example

MENTIONS_FILE = ANNOTATIONS / "mentions.csv"
NO_FACT = ("general", "wrong")  # general talk; another thing than the concept: neither has a status
COLUMNS = {"consultation_id", "utterance", "start", "end", "concept", "status", "whose", "action"}


def labelled_mentions(consultations: Iterable[Consultation], path: Path = MENTIONS_FILE) -> dict[str, list[Example]]:
    """By collection, an example for each row whose consultation is given and is one to learn from.

    Raises:
        DataError: the table is damaged, or names a place that its consultation does not have.
    """
    by_consultation = defaultdict(list)
    for line, row in numbered_rows(path, COLUMNS, remedy=REMEDY):
        where = f"{path}, line {line}"
        if row["status"] not in (*STATUSES, *NO_FACT) or row["action"] not in ("", *get_args(Action)):
            raise DataError(
                f"{where}: status {row['status']!r} and action {row['action']!r} are none that are told apart; {REMEDY}"
            )
        by_consultation[row["consultation_id"]].append((where, row))
    found: dict[str, list[Example]] = {}
    for consultation in consultations:
        rows = by_consultation.get(consultation.consultation_id, [])
        if not rows or consultation.split != "train":
            continue
        transcript = transcript_from_text("\n".join(f"[{u.role}] {u.text}" for u in consultation.utterances))
        n_before = [0, *accumulate(len(segment.words) for segment in transcript.segments)]
        places = []
        for where, row in rows:
            at = int(row["utterance"])
            if at >= len(transcript.segments):
                raise DataError(f"{where}: {consultation.consultation_id} has no utterance {at}; {REMEDY}")
            start, end = _words_at(transcript.segments[at], int(row["start"]), int(row["end"]), where)
            places.append((n_before[at] + start, n_before[at] + end))
        around = contexts_at(transcript, places)
        collection = re.split("[-_]", consultation.consultation_id)[0].rstrip("0123456789")
        found.setdefault(collection, []).extend(_example(context, row) for context, (_, row) in zip(around, rows, strict=True))
    return found


def _words_at(segment: Segment, start: int, end: int, where: str) -> tuple[int, int]:
    """Words [first, last) of an utterance that lie at characters [start, end) of it."""
    at, inside = 0, []
    for number, word in enumerate(segment.words):
        at = segment.text.index(word.text, at)
        if at < end and at + len(word.text) > start:
            inside.append(number)
        at += len(word.text)
    if not inside:
        raise DataError(f"{where}: the utterance has no words at {start}-{end}; {REMEDY}")
    return inside[0], inside[-1] + 1


def _example(context: MentionContext, row: dict) -> Example:
    return Example(context, row["status"], row["whose"] == "other", row["action"])
