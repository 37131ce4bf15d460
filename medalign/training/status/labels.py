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
from medalign.core.transcript import Segment, Transcript
from medalign.models.status_classifier import STATUSES
from medalign.pipeline.assertion import contexts_at
from medalign.training.data.consultations import Consultation
from medalign.training.data.facts import ANNOTATIONS, REMEDY
from medalign.training.data.written import NO_FACT as NOT_A_FACT
from medalign.training.data.written import WrittenConsultation
from medalign.training.status.grammar import Example

MENTIONS_FILE = ANNOTATIONS / "mentions.csv"
NO_FACT = ("general", "wrong")  # general talk; another thing than the concept: neither has a status
PAST = "past"  # resolved or historical, where the label does not say which
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
        transcript = transcript_from_text(consultation.text)
        at = [(int(row["utterance"]), int(row["start"]), int(row["end"]), where) for where, row in rows]
        around = contexts_at(transcript, _places(transcript, at))
        collection = re.split("[-_]", consultation.consultation_id)[0].rstrip("0123456789")
        found.setdefault(collection, []).extend(
            Example(context, row["status"], row["whose"] == "other", row["action"])
            for context, (_, row) in zip(around, rows, strict=True)
        )
    return found


def written_mentions(consultations: Iterable[WrittenConsultation]) -> list[Example]:
    """An example for each place of written consultations at which a fact, or what looks like one, is spoken of."""
    found = []
    for written in consultations:
        name = written.consultation.consultation_id
        transcript = transcript_from_text(written.consultation.text)
        around = contexts_at(transcript, _places(transcript, [(m.utterance, m.start, m.end, name) for m in written.mentions]))
        for context, mention in zip(around, written.mentions, strict=True):
            status = {NOT_A_FACT: NO_FACT[0], "asked": "uncertain"}.get(mention.status, mention.status)
            found.append(Example(context, status, mention.whose in ("family", "other"), mention.action))
    return found


def _places(transcript: Transcript, at: Iterable[tuple[int, int, int, str]]) -> list[tuple[int, int]]:
    """Words [first, last) of the whole transcript, for utterance, characters [start, end) in it and where that is written."""
    n_before = [0, *accumulate(len(segment.words) for segment in transcript.segments)]
    places = []
    for utterance, start, end, where in at:
        if utterance >= len(transcript.segments):
            raise DataError(f"{where}: the consultation has no utterance {utterance}; {REMEDY}")
        first, last = _words_at(transcript.segments[utterance], start, end, where)
        places.append((n_before[utterance] + first, n_before[utterance] + last))
    return places


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
