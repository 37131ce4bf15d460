"""Notes with and without errors, held against what was said: what the checking of notes is fitted and measured on."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from medalign.concepts import ConceptBank, transcript_from_text
from medalign.models.teacher import Teacher
from medalign.pipeline.listener import Listener
from medalign.pipeline.notes.check import voiced
from medalign.pipeline.notes.held import Held, hold_against
from medalign.pipeline.notes.said import Said
from medalign.training.data.consultations import Consultation
from medalign.training.data.note_errors import ErrorMaker
from medalign.training.fitting.observation import Observation, kept

ORIGINAL = "original"
PER_TURN = {"day": 1, "aci": 0.5, "mts": 5}  # of each collection, by how its names begin
FORMAT = "1"  # of what is kept


@dataclass(frozen=True)
class Case:
    """All statements of one note, as they are and with errors, held against one consultation."""

    consultation_id: str
    kinds: tuple[str, ...]  # ORIGINAL or the kind of error, one a row
    held: Held
    said: Said


@dataclass(frozen=True)
class Heard:
    """What there is of one consultation: its words, and the student's windows where it was spoken."""

    consultation_id: str
    said: Said
    windows: np.ndarray  # (m, d)
    windows_s: Sequence[tuple[float, float]] = ()


def drawn(consultations: Sequence[Consultation], seed: int = 3) -> list[Consultation]:
    """In an order in which any beginning has some of each collection: one PriMock57, half an ACI-Bench, five MTS."""
    rng = random.Random(seed)
    by_collection: dict[str, list[Consultation]] = {name: [] for name in PER_TURN}
    for consultation in consultations:
        by_collection[consultation.consultation_id[:3]].append(consultation)
    for some in by_collection.values():
        rng.shuffle(some)
    found: list[Consultation] = []
    for turn in range(len(consultations)):
        for name, share in PER_TURN.items():
            found += by_collection[name][int(turn * share) : int((turn + 1) * share)]
    return found


def heard_in_words(consultations: Iterable[Consultation], bank: ConceptBank, cache: Path, dim: int) -> Iterator[Heard]:
    """The words that people wrote down, every speaker known; what is read from them is kept in `cache`."""
    for consultation in consultations:
        text = consultation.text
        path = cache / "note-said" / FORMAT / f"{sha256(f'{bank.digest} {text}'.encode()).hexdigest()[:24]}.json"
        said = kept(path, Said, partial(_said, text, bank))
        yield Heard(consultation.consultation_id, said, np.zeros((0, dim), np.float32))


def _said(text: str, bank: ConceptBank) -> Said:
    return Said.from_transcript(transcript_from_text(text), bank)


def heard_aloud(observations: Iterable[Observation], listener: Listener) -> Iterator[Heard]:
    """What the recogniser wrote of spoken takes, and what the student heard."""
    for o in observations:
        said = Said.from_mentions(o.transcript, o.annotated.mentions, o.encoded.bank)
        windows, windows_s = voiced(o.encoded, listener.teacher.embed_dim)
        yield Heard(o.take.consultation_id, said, windows, windows_s)


def cases(
    heard: Iterable[Heard],
    maker: ErrorMaker,
    teacher: Teacher,
    references: np.ndarray,
    bank: ConceptBank,
    *,
    with_errors: bool = True,
) -> Iterator[Case]:
    """Each consultation that has a note."""
    for one in heard:
        own = maker.clauses(one.consultation_id)
        if not own:
            continue
        errors = maker.errors(one.consultation_id) if with_errors else []
        clauses = [*own, *(altered.clause for _, altered in errors)]
        kinds = (*[ORIGINAL] * len(own), *(altered.kind for _, altered in errors))
        held = hold_against(clauses, one.said, one.windows, teacher, references, bank, one.windows_s)
        yield Case(one.consultation_id, kinds, held, one.said)


def of_another(
    heard: Sequence[Heard], maker: ErrorMaker, teacher: Teacher, references: np.ndarray, bank: ConceptBank
) -> list[Case]:
    """Each note held against the next consultation."""
    noted = [one for one in heard if maker.clauses(one.consultation_id)]
    following = zip(noted, [*noted[1:], *noted[:1]], strict=True)
    mixed = [replace(other, consultation_id=one.consultation_id) for one, other in following]
    return list(cases(mixed, maker, teacher, references, bank, with_errors=False))


def spoilt(case: Case, share: float, seed: int) -> Held:
    """The note with some of its statements replaced by wrong ones: a bad note of the right patient."""
    rng = random.Random(f"{seed} {case.consultation_id}")
    right = [i for i, kind in enumerate(case.kinds) if kind == ORIGINAL]
    wrong = [i for i, kind in enumerate(case.kinds) if kind != ORIGINAL]
    n = min(len(wrong), round(share * len(right)))
    return case.held.at(sorted([*rng.sample(right, len(right) - n), *rng.sample(wrong, n)]))
