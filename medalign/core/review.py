"""What a person judged of a result, and the result as it then stands.

The analysis itself is never changed: it is what feedback refers to, and a judgement can be taken back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from medalign.core.analysis import Action, Analysis, ConceptFinding, Evidence, Source, Status

DONE_AS: dict[Status | None, Action] = {  # what a status that a person gave says of a medicine
    "present": "taking", "hypothetical": "started", "historical": "stopped", "resolved": "stopped", "negated": "not_taking",
}  # fmt: skip
SAME_S = 0.01  # seconds that differ by less are the same, whatever a database makes of them


@dataclass(frozen=True)
class Judged:
    """A row of the table of concepts that a person judged."""

    concept_id: str
    status: Status | None  # of the row
    start_s: float | None  # where its first evidence began: a row that lies elsewhere, in other words, is another one
    right: Status | None  # the status it has; None: it was not said, or nobody knows the status
    is_confirmed: bool = False  # a row without a status, as of what was only heard, and it was said
    of_mention: bool = False  # only of the mention that begins at `start_s`, not of the whole row

    @property
    def was_said(self) -> bool:
        return self.right is not None or self.is_confirmed


@dataclass(frozen=True)
class Heard:
    """A place of the list "Use your ear" that a person heard: what is written there is right as it stands."""

    kind: str  # as `medalign.report.doubt.Doubt`, like the rest
    start_s: float
    end_s: float
    concept_id: str | None = None
    not_said: str | None = None  # the concept that was not said here, if the words are right

    def is_at(self, start_s: float, end_s: float) -> bool:
        """Whether it is this place."""
        return abs(self.start_s - start_s) < SAME_S and abs(self.end_s - end_s) < SAME_S


@dataclass(frozen=True)
class Added:
    """A concept that a person missed in the result, and named."""

    label: str
    start_s: float | None = None  # where it was said, if they say so
    end_s: float | None = None


@dataclass(frozen=True)
class Review:
    """Everything that a person judged of one result."""

    judged: tuple[Judged, ...] = ()
    heard: tuple[Heard, ...] = ()
    added: tuple[Added, ...] = ()

    @property
    def confirmed(self) -> frozenset[str]:
        """Ids of concepts that were said, whatever is written there."""
        return frozenset(judged.concept_id for judged in self.judged if judged.was_said)

    def of(self, concept: ConceptFinding) -> Judged | None:
        """What was judged of a row as a whole; None if nothing was."""
        place = first_s(concept) or 0.0
        rows = (j for j in self._of_row(concept) if not j.of_mention)
        return next((j for j in rows if abs((j.start_s or 0.0) - place) < SAME_S), None)

    def of_mentions(self, concept: ConceptFinding) -> dict[Evidence, Judged]:
        """What was judged of single mentions of a row, by their places in the words."""
        rows = [j for j in self._of_row(concept) if j.of_mention]
        found = ((e, j) for e in concept.text_evidence for j in rows if abs((j.start_s or 0.0) - e.start_s) < SAME_S)
        return dict(found)

    def _of_row(self, concept: ConceptFinding) -> Iterable[Judged]:
        return (j for j in self.judged if (j.concept_id, j.status) == (concept.concept_id, concept.status))


UNREVIEWED = Review()


def first_s(concept: ConceptFinding) -> float | None:
    """Where its first evidence begins, in the words before in the sound; None where it has none."""
    return next((place.start_s for place in (*concept.text_evidence, *concept.audio_evidence)), None)


def as_reviewed(analysis: Analysis, review: Review) -> Analysis:
    """The analysis as it stands after a review: for what is shown at a glance, listed and exported."""
    return as_rated(as_heard(analysis, review.heard), review)


def as_heard(analysis: Analysis, heard: Sequence[Heard]) -> Analysis:
    """Without concepts at places where the words are right and say something else."""
    if not heard:
        return analysis
    return _with(analysis, (row for concept in analysis.concepts if (row := _heard(concept, heard))))


def as_rated(analysis: Analysis, review: Review) -> Analysis:
    """Without rows that were not said, the others with the status that a person gave; such a row is certain."""
    if not review.judged:
        return analysis
    rows: dict[tuple[str, Status | None], ConceptFinding] = {}
    for concept, judged in (part for row in analysis.concepts for part in _parts(row, review)):
        if judged:
            if not judged.was_said:
                continue
            concept = _rated(concept, judged.right)
        key = concept.concept_id, concept.status
        rows[key] = _joined(rows[key], concept) if key in rows else concept
    return _with(analysis, rows.values())


def _parts(concept: ConceptFinding, review: Review) -> Iterable[tuple[ConceptFinding, Judged | None]]:
    """A row with what was judged of it; mentions that were judged by themselves are rows of their own, the sound stays with the
    first part."""
    by_place = review.of_mentions(concept)
    left = tuple(place for place in concept.text_evidence if place not in by_place)
    parts = [(left, review.of(concept))] if left or not by_place else []
    parts += [((place,), judged) for place, judged in by_place.items()]
    for n, (places, judged) in enumerate(parts):
        teacher = concept.teacher and replace(concept.teacher, evidence=places)
        student = concept.student if n == 0 else concept.student and replace(concept.student, evidence=())
        yield replace(concept, teacher=teacher, student=student), judged


def _with(analysis: Analysis, concepts: Iterable[ConceptFinding]) -> Analysis:
    """With other rows; contradictions, and what numbers belong to, follow."""
    rows = tuple(concepts)
    statuses: dict[str, set[Status | None]] = {}
    for row in rows:
        statuses.setdefault(row.concept_id, set()).add(row.status)
    gone = {concept.concept_id for concept in analysis.concepts} - set(statuses)
    both = {"present", "negated"}
    rows = tuple(replace(row, is_contradicted=row.is_contradicted and statuses[row.concept_id] >= both) for row in rows)
    measured = tuple(replace(m, concept_id=None) if m.concept_id in gone else m for m in analysis.measurements)
    return replace(analysis, concepts=rows, measurements=measured)


def _heard(concept: ConceptFinding, heard: Sequence[Heard]) -> ConceptFinding | None:
    def stays(place: Evidence) -> bool:
        denied = [h for h in heard if h.not_said == concept.concept_id]
        return not any(h.start_s < place.words_end_s and h.end_s > place.start_s for h in denied)

    def settled(place: Evidence) -> Evidence:
        right = any(h.kind == "negation" and h.is_at(place.start_s, place.end_s) for h in heard)
        return replace(place, rival=None) if right else place

    def left(source: Source | None) -> Source | None:
        return source and replace(source, evidence=tuple(settled(place) for place in source.evidence if stays(place)))

    after = replace(concept, teacher=left(concept.teacher), student=left(concept.student))
    if concept.text_evidence and not after.text_evidence:
        return None  # what the sound alone suggests there, the person has heard as well
    return after if after.audio_evidence or after.text_evidence or not concept.audio_evidence else None


def _rated(concept: ConceptFinding, right: Status | None) -> ConceptFinding:
    places = tuple(replace(place, rival=None) for place in concept.text_evidence)
    teacher = concept.teacher and replace(concept.teacher, evidence=places)
    said = replace(concept, teacher=teacher, probability=1.0)
    if right == concept.status:
        return said
    action = DONE_AS.get(right) if concept.category == "medicine" else None
    return replace(said, status=right, trigger=None, action=action)


def _joined(one: ConceptFinding, other: ConceptFinding) -> ConceptFinding:
    """Two rows that have one status now."""

    def source(a: Source | None, b: Source | None) -> Source | None:
        if a is None or b is None:
            return a or b
        places = {(place.start_s, place.end_s): place for place in (*a.evidence, *b.evidence)}
        return replace(a, evidence=tuple(sorted(places.values(), key=lambda place: place.start_s)))

    teacher, student = source(one.teacher, other.teacher), source(one.student, other.student)
    return replace(one, teacher=teacher, student=student, probability=max(one.probability or 0.0, other.probability or 0.0))
