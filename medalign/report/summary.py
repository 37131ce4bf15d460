"""The consultation at a glance: the complaint, medicines, allergies, other problems, denied, family, past, examination,
plan, numbers.

Nothing is generated: an entry is a concept of the table with its count, its numbers and one place to hear it. What only the
sound suggests is left out, since its status is not known.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from medalign.concepts.bank import is_allergy
from medalign.concepts.senses import senses_of
from medalign.concepts.tokens import data_rows
from medalign.core.alignment import Alignment, Reason
from medalign.core.analysis import Action, Analysis, ConceptFinding, CriticalKind, CriticalWord, Evidence, Measurement, Status
from medalign.core.transcript import DOCTOR, Segment
from medalign.core.wording import READ_AS, band, done_with
from medalign.report.not_understood import untold

Title = Literal[
    "Complaint", "Medicines", "Allergies", "Problems", "Uncertain", "Habits", "Denied", "Family", "In the past",
    "Examination", "Tests and procedures", "If, or planned", "Measured",
]  # fmt: skip  # what is taken comes early: a low window shows it without a scroll
ORDER: tuple[Title, ...] = get_args(Title)
BY_CATEGORY: dict[str, Title] = {
    "medicine": "Medicines",
    "procedure": "Tests and procedures",
    "measurement": "Tests and procedures",
    "habit": "Habits",
}
# Diagnoses that tell of one; and habits that analyses of earlier versions call findings.
HABITS = frozenset(["CUSTOM:alcohol-use", "ICD10CM:Z72.0", "ICD10CM:F10.20", "ICD10CM:F12.90", "ICD10CM:F17.200"])
# What whoever examines sees, hears or feels, and what is normal: no problem, whichever it is.
EXAMINATION = frozenset(row["concept_id"] for row in data_rows("examination.csv"))
NOT_FOUND = "not found"  # said of a sign that was looked for
# What is done with a medicine says more than its status: it stands with the others, whenever it was or will be done.
DONE: frozenset[Action] = frozenset(["taking", "started", "stopped", "changed", "advised"])
OF_OTHERS = frozenset(["dose", "frequency", "duration", "plan", "pain score"])  # numbers that belong to something else
CHECK = " (check)"  # behind a number that can't be true of a person
BY_STATUS: dict[Status, Title] = {
    "uncertain": "Uncertain",
    "resolved": "In the past",
    "historical": "In the past",
    "family": "Family",
    "negated": "Denied",
    "hypothetical": "If, or planned",
}
SENSES = {  # in which sense a number was said, where it is not the patient's own and present one
    "negated": "denied",
    "family": "somebody else's",
    "hypothetical": "if, or planned",
    "uncertain": "asked, unsure or a limit",
    "resolved": "over",
    "historical": "in the past",
}


@dataclass(frozen=True)
class Entry:
    """One line of the summary."""

    label: str
    concept_id: str
    n_mentions: int
    numbers: tuple[str, ...]  # "500 mg", "3 weeks": what was said of it
    evidence: Evidence  # the first place
    action: str = ""  # what is done with a medicine, in words
    check: int | None = None  # where it is no plain fact: its number in the list of what should be heard again


@dataclass(frozen=True)
class Section:
    title: Title
    entries: tuple[Entry, ...]


Row = tuple[str, Status | None]  # of the table of concepts: which concept, in which status


def summarize(
    concepts: Sequence[ConceptFinding],
    measurements: Sequence[Measurement],
    checks: Mapping[Row, int] = {},
    examined: Collection[str] = EXAMINATION,
) -> tuple[Section, ...]:
    """Sections in the order of `ORDER`, none of them empty; inside, what is said most often comes first, but of problems the
    complaint: what the consultation begins with.

    Args:
        concepts: as `Analysis.concepts`, one row per concept and status.
        checks: as `medalign.report.ear.checks`.
        examined: ids of concepts that an examination found.
    """
    found: dict[Title, list[Entry]] = {title: [] for title in ORDER}
    stated = {concept.concept_id for concept in concepts if concept.status == "present"}
    for concept in concepts:
        if concept.status is None or not concept.text_evidence:
            continue
        # Numbers go with the patient's own, present state; "my mother took 5 mg" is no dose of the patient.
        is_patients = concept.status == "present" or concept.concept_id not in stated and concept.status == "hypothetical"
        numbers = [m for m in measurements if m.concept_id == concept.concept_id] if is_patients else []
        title = _section_of(concept, concept.status, examined)
        found[title].append(
            Entry(
                concept.label,
                concept.concept_id,
                len(concept.text_evidence),
                tuple(dict.fromkeys(map(_amount, numbers))),
                concept.text_evidence[0],
                NOT_FOUND if title == "Examination" and concept.status == "negated" else done_with(concept),
                checks.get((concept.concept_id, concept.status)),
            )
        )
    found["Medicines"] = _each_once(found["Medicines"])
    for title, entries in found.items():
        first_s = min((e.evidence.start_s for e in entries), default=0.0) if title == "Problems" else -1.0
        entries.sort(key=lambda e: (e.evidence.start_s > first_s >= 0, -e.n_mentions, e.evidence.start_s))
    return tuple(Section(title, tuple(entries)) for title, entries in found.items() if entries)


def _each_once(entries: Sequence[Entry]) -> list[Entry]:
    """One entry a medicine, with all that is done with it in the order in which it is said: "taking → stopped"."""
    by_medicine: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.evidence.start_s):
        by_medicine.setdefault(entry.concept_id, []).append(entry)
    return [
        replace(
            same[0],
            n_mentions=sum(entry.n_mentions for entry in same),
            numbers=tuple(dict.fromkeys(number for entry in same for number in entry.numbers)),
            action=" → ".join(dict.fromkeys(entry.action for entry in same if entry.action)),
            check=next((entry.check for entry in same if entry.check), None),
        )
        for same in by_medicine.values()
    ]


def at_a_glance(analysis: Analysis, checks: Mapping[Row, int] = {}, before: Analysis | None = None) -> tuple[Section, ...]:
    """The summary with what was measured of the patient, a line a kind; of that, the name alone would say nothing.

    Args:
        before: see `medalign.report.not_understood.without_medicine`.
    """
    senses = senses_of(analysis)
    said = zip(analysis.measurements, senses, strict=True)
    own = [m for m, sense in said if sense == "present" and m.concept_id is None and m.kind not in OF_OTHERS]
    measured: dict[str, list[Measurement]] = {}
    for m in own:
        measured.setdefault(m.kind, []).append(m)
    values = tuple(
        Entry(
            kind, "", len(found), tuple(dict.fromkeys(map(_amount, found))), Evidence(m.start_s, m.end_s, m.text),
            check=checks.get((kind, None)),
        )
        for kind, found in measured.items()
        for m in found[:1]
    )  # fmt: skip
    names = [c for c in analysis.concepts if c.category != "measurement" or c.label.lower() not in measured]
    sections = {s.title: s.entries for s in summarize(names, analysis.measurements, checks, _examined(analysis))}
    sections = _with_complaint(sections, analysis.transcript.segments)
    for title, label, places in untold(analysis, before):
        first = Evidence(places[0].start_s, places[0].end_s, places[0].text)
        entry = Entry(label, "", len(places), (), first, check=checks.get((label, None)))
        sections[title] = (*sections.get(title, ()), entry)
    if values:
        sections["Measured"] = values
    return tuple(Section(title, sections[title]) for title in ORDER if title in sections)


def _with_complaint(sections: dict[Title, tuple[Entry, ...]], said: Sequence[Segment]) -> dict[Title, tuple[Entry, ...]]:
    """Of the problems, those of the segment in which the first is said: what the consultation begins with."""
    problems = sections.pop("Problems", ())
    first_s = min((entry.evidence.start_s for entry in problems), default=0.0)
    until_s = max([s.end_s for s in said if s.start_s <= first_s < s.end_s], default=first_s)
    begins = tuple(entry for entry in problems if entry.evidence.start_s <= max(first_s, until_s))
    rest = tuple(entry for entry in problems if entry not in begins)
    return {**sections, **({"Complaint": begins} if begins else {}), **({"Problems": rest} if rest else {})}


def _examined(analysis: Analysis) -> frozenset[str]:
    """What an examination found: what only it can, and what the doctor says in one breath with that: "Your mouth is dry, but
    your tummy is soft"."""
    places = [e for c in analysis.concepts if c.concept_id in EXAMINATION for e in c.text_evidence]
    segments = [s for s in analysis.transcript.segments if s.speaker == DOCTOR and any(_is_in(e, s) for e in places)]
    beside = {
        c.concept_id
        for c in analysis.concepts
        if c.category == "finding" and c.text_evidence and all(any(_is_in(e, s) for s in segments) for e in c.text_evidence)
    }
    return EXAMINATION | beside


def _is_in(evidence: Evidence, segment: Segment) -> bool:
    return segment.start_s <= evidence.start_s < segment.end_s


def odds(concept: ConceptFinding) -> float:
    """The one probability of a concept that a reader is shown: that it came up, by words and sound together."""
    if concept.probability is not None:
        return concept.probability
    source = concept.student if concept.agreement == "student_only" else concept.teacher  # a student without a fusion
    return source.probability if source else 0.0


def is_faint(concept: ConceptFinding) -> bool:
    """Heard only, and unlikely even so: a hint for the curious, not a finding."""
    return concept.agreement == "student_only" and band(odds(concept)) == "unlikely"


def is_suggested(concept: ConceptFinding) -> bool:
    """Read only in words that were misheard: it is written nowhere, and only its name is suggested for what is."""
    return bool(concept.text_evidence) and all(rests_on_suggestion(place) for place in concept.text_evidence)


def rests_on_suggestion(place: Evidence) -> bool:
    """Whether other words stand there, see `medalign.pipeline.misheard_names.find_corrected_mentions`."""
    return READ_AS in (place.text or "")


def is_doubtful(concept: ConceptFinding) -> bool:
    """Read in the words, and still no plain fact: likelier wrong than three times in ten."""
    return bool(concept.text_evidence) and band(odds(concept)) != "likely"


def _amount(measurement: Measurement) -> str:
    return measurement.amount + CHECK * (not measurement.is_plausible)


def _section_of(concept: ConceptFinding, status: Status, examined: Collection[str]) -> Title:
    if concept.concept_id in examined and status in ("present", "negated"):
        return "Examination"
    if status == "present" and is_allergy(concept.concept_id, concept.label) or _harmed(concept, status):
        return "Allergies"
    if concept.action in DONE and status in ("present", "historical", "resolved", "hypothetical"):
        return "Medicines"
    if status != "present":
        return BY_STATUS[status]
    if concept.concept_id in HABITS:
        return "Habits"
    return BY_CATEGORY.get(concept.category, "Problems")


def _harmed(concept: ConceptFinding, status: Status) -> bool:
    """A medicine that somebody reacted to, whenever that was: what matters is that they may again."""
    return concept.action == "reacted" and status in ("present", "historical", "resolved")


Kind = Reason | Literal["missed_speech"]
REASONS: dict[Kind, str] = {
    "mismatch": "the sound does not fit these words",
    "transcription_error": "many of these words may be wrong",
    "other_language": "this does not sound like English",
    "missed_speech": "speech is heard, and nothing is written",
}


DOUBTS: dict[CriticalKind, str] = {
    "negation": "a negation may be dropped or invented here",
    "number": "a number may be wrong here",
    "medicine": "a medicine may be lost here",
}


def doubt_of(word: CriticalWord) -> str:
    """What may be wrong with a critical word, and what it is easily taken for."""
    return DOUBTS[word.kind] + (f"; perhaps “{word.alternative}”" if word.alternative else "")


@dataclass(frozen=True)
class Place:
    start_s: float
    end_s: float
    kind: Kind

    @property
    def reason(self) -> str:
        return REASONS[self.kind]


def places_to_check(alignment: Alignment) -> list[Place]:
    """Segments marked as wrong, and windows that hold speech and no word, in order of time.

    A student without fits of segment quality has only its windows to go by.
    """
    places = [Place(check.start_s, check.end_s, check.reason) for check in alignment.segments if check.reason]
    for window in alignment.windows:
        if window.is_mismatch and window.percentile is None:
            places.append(Place(window.start_s, window.end_s, "missed_speech"))
        elif window.is_mismatch and not alignment.segments:
            places.append(Place(window.start_s, window.end_s, "mismatch"))
    return sorted(places, key=lambda place: (place.start_s, place.end_s))
