"""In which sense is it meant? Our readings of mentions beside medspaCy's ConText and negspaCy's NegEx, of the same mentions.

They find no mentions themselves, so all get those that our dictionary finds where a person has said what is right: the
turn, and the place in it. ConText and NegEx look no further than a sentence; an answer in the next turn is out of their sight.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from medalign.concepts import ConceptBank, Mention, find_mentions, transcript_from_text
from medalign.core.errors import MedAlignError
from medalign.core.tables import read_rows
from medalign.core.transcript import Transcript
from medalign.evaluation.bootstrap import share
from medalign.models.status_classifier import StatusClassifier
from medalign.pipeline.assertion import places_of
from medalign.training.data.consultations import Consultation
from medalign.training.data.facts import OF_STATUS, Fact, FactNames, Sense, annotated
from medalign.training.status import other_readers
from medalign.training.status.measure_status import ANY_BUT_PRESENT, as_turns, is_at, readers

MISSING = "MedAlign needs none of them: python -m venv ELSEWHERE, then ELSEWHERE/bin/pip install medspacy negspacy"
Turn = tuple[str, int, int]  # what one speaker says, and the characters [start, end) of a mention in it
Found = tuple[str | None, ...]  # the sense at each place; None where the reader shows no mention


@dataclass(frozen=True)
class Case:
    """What has one right sense, at one or more places."""

    group: str  # a consultation, or a case of its own
    turns: tuple[Turn, ...]  # of each place
    right: frozenset[Sense]  # any of them
    by: Mapping[str, Found]  # our readers, by name
    is_asked: bool = False  # somebody asks about it, so that what decides may stand in the next turn


def measure_status_peers(tables: Mapping[str, Sequence[Case]], python: str) -> dict:
    """Shares read rightly with 95 % intervals, denials, and what is claimed wrongly, by table and reader.

    Args:
        python: of an environment with medspacy and negspacy.

    Raises:
        MedAlignError: there is no such Python, or it lacks them.
    """
    cases = [case for of_one in tables.values() for case in of_one]
    places = [turn for case in cases for turn in case.turns]
    others = read_elsewhere(places, python)
    ends = np.cumsum([len(case.turns) for case in cases]).tolist()
    spans = list(zip([0, *ends], ends, strict=False))
    figures: dict = {"versions of others": others["versions"]}
    at = 0
    for name, of_one in tables.items():
        by = {reader: [case.by[reader] for case in of_one] for reader in of_one[0].by}
        own = spans[at : at + len(of_one)]
        by |= {reader: [tuple(senses[a:b]) for a, b in own] for reader, senses in others["senses"].items()}
        by["always present"] = [("present",) * len(case.turns) for case in of_one]
        figures[name] = {"n": len(of_one), **{reader: _figures(of_one, found) for reader, found in by.items()}}
        at += len(of_one)
    return figures


def read_elsewhere(places: Sequence[Turn], python: str) -> dict:
    """Senses by reader, and releases; see `other_readers`."""
    command = [python, str(Path(other_readers.__file__))]
    try:
        done = subprocess.run(command, input=json.dumps(places), capture_output=True, encoding="utf-8", check=True)
    except OSError as error:
        raise MedAlignError(f"can't run {python} ({error.strerror}); give the Python of an environment. {MISSING}") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise MedAlignError(f"{python} can't run medspaCy and negspaCy ({last}). {MISSING}") from error
    return json.loads(done.stdout.splitlines()[-1])


def cases_of_table(path: Path, bank: ConceptBank, classifier: StatusClassifier) -> list[Case]:
    """Those whose concept our dictionary finds; see `measure_cases` for the columns."""
    cases = []
    for number, row in enumerate(read_rows(path, {"text", "concept"}, remedy="give a table of cases")):
        transcript = transcript_from_text(as_turns(row["text"]))
        mentions = find_mentions(transcript, bank)
        wanted = row.get("right_status") or row["status"]
        right = set(get_args(Sense)) - {"present"} if wanted == ANY_BUT_PRESENT else {OF_STATUS[s] for s in wanted.split()}
        if places := [i for i, m in enumerate(mentions) if bank[m.concept_id].label == row["concept"]]:
            by, turns = _read(transcript, mentions, classifier), _turns(transcript, mentions)
            found = {name: tuple(senses[i] for i in places) for name, senses in by.items()}
            cases.append(Case(f"case {number}", tuple(turns[i] for i in places), frozenset(right), found))
    return cases


def cases_of_facts(
    facts: Sequence[Fact], consultations: Iterable[Consultation], bank: ConceptBank, classifier: StatusClassifier
) -> list[Case]:
    """Every mention at an annotated fact of its concept."""
    names, cases = FactNames.default(bank), []
    for key, consultation in annotated(facts, consultations).items():
        transcript = transcript_from_text(consultation.text)
        mentions = find_mentions(transcript, bank)
        by, turns = _read(transcript, mentions, classifier), _turns(transcript, mentions)
        for i, mention in enumerate(mentions):
            right = {s for f in facts if f.consultation_id == key and is_at(mention, f, names) for s in f.senses}
            if right:
                found = {name: (senses[i],) for name, senses in by.items()}
                cases.append(Case(key, (turns[i],), frozenset(right), found, mention.answer is not None))
    return cases


def _read(transcript: Transcript, mentions: Sequence[Mention], classifier: StatusClassifier) -> dict[str, Found]:
    """The senses of the mentions by each of our readers; None for a mention that it leaves out as no fact."""
    by: dict[str, Found] = {}
    for name, read in readers(classifier).items():
        found = {(m.segment_index, m.start_s, m.end_s): OF_STATUS[m.status] for m in read(transcript, mentions)}
        by[name] = tuple(found.get((m.segment_index, m.start_s, m.end_s)) for m in mentions)
    return by


def _turns(transcript: Transcript, mentions: Sequence[Mention]) -> list[Turn]:
    """The turn of each mention, as one line, and the mention's characters in it."""
    turns = []
    for mention, (start, end) in zip(mentions, places_of(transcript, mentions), strict=True):
        first = sum(len(segment.words) for segment in transcript.segments[: mention.segment_index])
        words = [word.text for word in transcript.segments[mention.segment_index].words]
        before, said = words[: start - first], words[start - first : end - first]
        at = len(" ".join([*before, ""]))
        turns.append((" ".join(words), at, at + len(" ".join(said))))
    return turns


def _figures(cases: Sequence[Case], found: Sequence[Found]) -> dict:
    senses = [_told(one) for one in found]
    right = [bool(one) and one <= case.right for one, case in zip(senses, cases, strict=True)]
    denied = [case.right <= {"negated", "family"} and "negated" in case.right for case in cases]
    as_denied = [one == {"negated"} for one in senses]
    both = sum(a and b for a, b in zip(denied, as_denied, strict=True))
    return {
        "right": share(right, [case.group for case in cases]),
        "n_denied": sum(denied),
        "denials_found": both / max(1, sum(denied)),
        "of_denials_right": both / max(1, sum(as_denied)),
        "n_claimed_wrongly": sum("present" in one and "present" not in c.right for one, c in zip(senses, cases, strict=True)),
        "n_left_out": sum(not one for one in senses),
    }


def _told(found: Found) -> frozenset[str]:
    """An unanswered question tells nothing beside an answer."""
    senses = frozenset(sense for sense in found if sense is not None)
    return senses & {"present", "negated"} or senses
