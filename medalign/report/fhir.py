"""An analysis as a FHIR R4 Bundle (4.0.1, type collection): mentions for a person to review, never facts for a record.

Nobody is identified: the patient is a resource without data, the recording's file name stays out, and there is no date,
since an analysis knows none. What was said is quoted, and may name people.

| said as | a finding or diagnosis | a medicine |
|---|---|---|
| present | Condition, active and unconfirmed | MedicationStatement: active if taken or changed, intended if new, else unknown |
| uncertain | Condition, provisional, no clinical status | the same |
| negated | Condition, refuted, no clinical status | not-taken |
| over, in the past | Condition, resolved or inactive, and unconfirmed | stopped if so said, else completed |
| allergy to it, or harm by it | AllergyIntolerance, unconfirmed or refuted, with the reaction | the same |
| only if, or planned | left out: it claims nothing that the patient has | intended |
| in the family | FamilyMemberHistory, if the words name a relative | the same, as a note: R4 has no medicines there |
| heard in the sound only | left out: sound alone does not tell the status | left out |

A procedure is a Procedure (unknown whether it was done; completed, not-done), and a ServiceRequest, drafted, if only planned; a
habit is an Observation. What is measured is left out, for its numbers are Observations of their own.

R4 demands a clinical status only of problem-list items (con-3), which these are not, and forbids one only to errors
(con-5); so a refuted or provisional condition goes without, and no search for active conditions can find it. What is left
out is named in an OperationOutcome. A Device names the models; every resource points to it by `meta.source`, since a
Provenance would need a time.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from medalign import __version__
from medalign.concepts.senses import number_senses
from medalign.core.analysis import DISCLAIMER, Analysis, ConceptFinding
from medalign.core.editing import is_edited
from medalign.core.wording import ACTION_WORDS, clock, clock_range, count
from medalign.report.fhir_allergy import allergy, is_allergy
from medalign.report.fhir_observation import observation
from medalign.report.summary import summarize

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
META = {  # on the bundle and every resource, so that neither travels without it
    "security": [{"system": TERMINOLOGY + "v3-ActReason", "code": "HRESCH", "display": "healthcare research"}],
    "tag": [{"system": "urn:medalign:tag", "code": "not-for-patient-care", "display": DISCLAIMER}],
}
SYSTEMS = {"HPO": "http://human-phenotype-ontology.org", "ICD-10-CM": "http://hl7.org/fhir/sid/icd-10-cm"}
# Said as -> clinical and verification status. No entry: no Condition.
CONDITION = {
    "present": ("active", "unconfirmed"),
    "uncertain": (None, "provisional"),
    "negated": (None, "refuted"),
    "resolved": ("resolved", "unconfirmed"),
    "historical": ("inactive", "unconfirmed"),
}
MEDICATION = {
    "present": "unknown",
    "uncertain": "unknown",
    "negated": "not-taken",
    "resolved": "completed",
    "historical": "completed",
    "hypothetical": "intended",
}
MEDICATION_BY_ACTION = {  # says more than the status
    "taking": "active",
    "changed": "active",
    "started": "intended",
    "advised": "intended",
    "stopped": "stopped",
    "not_taking": "not-taken",
    "asked": "unknown",
}
PROCEDURE = {
    "present": "unknown",
    "uncertain": "unknown",
    "negated": "not-done",
    "resolved": "completed",
    "historical": "completed",
}
RELATIVES = {  # word -> code of v3-RoleCode; "on my dad's side" is not the father
    word: code
    for code, words in {
        "MTH": "mother mum mom mummy mommy", "FTH": "father dad daddy", "PRN": "parent parents", "BRO": "brother brothers",
        "SIS": "sister sisters", "SIB": "sibling siblings", "SONC": "son sons", "DAUC": "daughter daughters",
        "GRMTH": "grandmother grandma gran nan nana granny", "GRFTH": "grandfather grandad granddad grandpa",
        "GRPRN": "grandparents", "AUNT": "aunt auntie aunts", "UNCLE": "uncle uncles", "COUSN": "cousin cousins",
        "NEPHEW": "nephew", "NIECE": "niece", "HUSB": "husband", "WIFE": "wife", "SIGOTHR": "partner boyfriend girlfriend",
        "FAMMEMB": "family relative relatives side",
    }.items()
    for word in words.split()
}  # fmt: skip
_NO_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # allowed neither in FHIR strings nor in XHTML


@dataclass(frozen=True)
class _Case:
    """What all resources of one bundle share."""

    analysis: Analysis
    urn: Callable[[str], str]  # a name inside the bundle -> its address
    numbers: dict[tuple, tuple[str, ...]]  # concept id and first evidence -> what was said of it: "500 mg"

    def resource(self, kind: str, narrative: str, **elements: object) -> dict:
        """A resource with its disclaimer, its source and its narrative; elements that are None are left out."""
        words = "".join(f"<p>{escape(_plain(line), quote=False)}</p>" for line in (DISCLAIMER, *narrative.splitlines()))
        return {
            "resourceType": kind,
            "meta": {"source": self.urn("device"), **META},
            "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{words}</div>'},
            **{name: value for name, value in elements.items() if value is not None},
        }

    def said_of(self, concept: ConceptFinding) -> str:
        """ "500 mg, 3 a day"; empty if no number belongs to it."""
        return ", ".join(self.numbers.get((concept.concept_id, concept.text_evidence[0]), ()))

    @property
    def subject(self) -> dict:
        return {"reference": self.urn("patient"), "type": "Patient", "display": "the person in the recording"}


def to_fhir(analysis: Analysis) -> dict:
    """A Bundle of plain dicts, lists, numbers and strings, ready for `json.dumps`; the same analysis gives the same bundle."""
    digest = hashlib.sha256(json.dumps(analysis.to_dict(), sort_keys=True).encode()).hexdigest()

    def urn(name: str) -> str:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"medalign:{digest}:{name}").urn

    sections = summarize(analysis.concepts, analysis.measurements)
    numbers = {(e.concept_id, e.evidence): e.numbers for section in sections for e in section.entries if e.numbers}
    case = _Case(analysis, urn, numbers)
    clinical, left_out = _clinical(case)
    patient = case.resource("Patient", "The person in the recording, not identified.")
    named = {"device": _device(case), "patient": patient, "outcome": _outcome(case, left_out)}
    named |= {f"mention {i}": resource for i, resource in enumerate(clinical)}
    entry = [{"fullUrl": urn(name), "resource": resource} for name, resource in named.items()]
    # Through JSON, so that no two resources share a dict that a caller may change.
    return json.loads(json.dumps({"resourceType": "Bundle", "meta": META, "type": "collection", "entry": entry}))


def _clinical(case: _Case) -> tuple[list[dict], list[str]]:
    """Resources of what was said, and a sentence for each thing that is left out."""
    resources, left_out = [], []
    for concept in case.analysis.concepts:
        made = _mention(concept, case)
        if isinstance(made, str):
            left_out.append(f"{concept.label}: {made}")
        else:
            resources.append(made)
    analysis = case.analysis
    senses = number_senses(analysis.transcript, analysis.measurements)
    for measurement, sense in zip(analysis.measurements, senses, strict=True):
        narrative = f'{measurement.kind}, said: "{measurement.text}" at {clock(measurement.start_s)}'
        elements = observation(measurement)
        if elements is not None and not measurement.is_plausible:
            left_out.append(f"{narrative}: {measurement.value} {measurement.unit} can't be true of a person; to be checked")
        elif elements is not None and sense == "present":
            note = [{"text": _markdown(narrative)}]
            resources.append(case.resource("Observation", narrative, **elements, subject=case.subject, note=note))
        elif elements is not None:
            left_out.append(f"{narrative}: said as {sense}{', or as a limit' if sense == 'uncertain' else ''}")
    return resources, left_out


def _mention(concept: ConceptFinding, case: _Case) -> dict | str:
    """The resource of one concept; a string says why there is none."""
    if concept.status is None or not concept.text_evidence:
        return "heard in the sound only, which does not tell the status"
    narrative = "\n".join(_evidence(concept, case))
    note = [{"text": _markdown(narrative)}]
    if concept.status == "family":
        return _family(concept, narrative, note, case)
    if is_allergy(concept):
        elements = allergy(concept, case.analysis)
        return case.resource("AllergyIntolerance", narrative, **elements, code=_code(concept), patient=case.subject, note=note)
    if concept.category == "medicine":
        said = case.said_of(concept)
        told = f"mentioned as {concept.status}{f', {ACTION_WORDS[concept.action]}' if concept.action else ''}"
        return case.resource(
            "MedicationStatement",
            narrative,
            status=MEDICATION_BY_ACTION.get(concept.action or "", MEDICATION[concept.status]),
            statusReason=[{"text": f"{told} in a consultation; whether it is taken is to be asked"}],
            medicationCodeableConcept=_code(concept),
            subject=case.subject,
            dosage=[{"text": _plain(said)}] if said else None,
            note=note,
        )
    if concept.category == "procedure":
        return _procedure(concept, narrative, note, case)
    if concept.category == "measurement":
        return "what is measured; numbers said of it stand by themselves"
    if concept.status not in CONDITION:
        return "only if, or planned"
    if concept.category == "habit":
        said_as = {"valueString": f"mentioned as {concept.status}"}
        return case.resource(
            "Observation", narrative, status="preliminary", code=_code(concept), subject=case.subject, **said_as, note=note
        )
    clinical, verification = CONDITION[concept.status]
    return case.resource(
        "Condition",
        narrative,
        clinicalStatus=_coded("condition-clinical", clinical) if clinical else None,
        verificationStatus=_coded("condition-ver-status", verification),
        code=_code(concept),
        subject=case.subject,
        note=note,
    )


def _procedure(concept: ConceptFinding, narrative: str, note: list[dict], case: _Case) -> dict:
    if concept.status == "hypothetical":
        request = {"status": "draft", "intent": "proposal"}
        return case.resource("ServiceRequest", narrative, **request, code=_code(concept), subject=case.subject, note=note)
    status = PROCEDURE[concept.status or "uncertain"]
    return case.resource("Procedure", narrative, status=status, code=_code(concept), subject=case.subject, note=note)


def _family(concept: ConceptFinding, narrative: str, note: list[dict], case: _Case) -> dict | str:
    trigger = concept.trigger or ""
    codes = [RELATIVES[word] for word in re.findall("[a-z]+", trigger.lower()) if word in RELATIVES]
    if not codes:
        return "about another person, who is not named as a relative"
    code = "FAMMEMB" if "FAMMEMB" in codes else codes[0]
    is_condition = concept.category in ("finding", "diagnosis")
    return case.resource(
        "FamilyMemberHistory",
        narrative,
        status="partial",
        patient=case.subject,
        relationship={"coding": [{"system": TERMINOLOGY + "v3-RoleCode", "code": code}], "text": _plain(trigger)},
        note=None if is_condition else note,
        condition=[{"code": _code(concept), "note": note}] if is_condition else None,
    )


def _evidence(concept: ConceptFinding, case: _Case) -> Iterator[str]:
    """Lines that say where a concept comes from and how far to trust it."""
    analysis, places = case.analysis, concept.text_evidence
    by = f' by "{concept.trigger}"' if concept.trigger else ""
    yield f"{concept.label}: mentioned as {concept.status}{by}, for review."
    yield "Said: " + "; ".join((f'"{e.text}" at ' if e.text else "") + clock(e.start_s) for e in places) + "."
    if numbers := case.said_of(concept):
        yield f"Said of it: {numbers}."
    if concept.audio_evidence:
        yield "Heard: " + ", ".join(clock_range(e.start_s, e.end_s) for e in concept.audio_evidence) + "."
    text, sound = (source and source.probability for source in (concept.teacher, concept.student))
    probabilities = (("text", text), ("sound", sound), ("both together", concept.probability))
    yield "Probability by " + ", ".join(f"{name} {p:.2f}" for name, p in probabilities if p is not None) + "."
    others = (c.status for c in analysis.concepts if c.concept_id == concept.concept_id and c.status)
    if also := [status for status in others if status != concept.status]:
        yield f"Elsewhere mentioned as {', '.join(also)}."
    for c in analysis.corrections:
        if c.concept_id == concept.concept_id and any(c.meets(e.start_s, e.end_s) for e in places):
            yield f'The transcript has "{c.said}"; the name is a suggestion.'
    if any(s.reason and s.start_s < e.end_s and s.end_s > e.start_s for s in analysis.alignment.segments for e in places):
        yield "The segment is marked to be listened to again."


def _device(case: _Case) -> dict:
    models = case.analysis.models
    versions = [("MedAlign, which wrote this bundle", __version__)]
    for part, model in (("speech recogniser", models.asr), ("teacher", models.teacher), ("student", models.student)):
        versions.append((part, f"{model.name}, revision {model.revision}"))
    narrative = "\n".join(f"{part}: {version}" for part, version in versions)
    return case.resource(
        "Device",
        narrative,
        deviceName=[{"name": "MedAlign", "type": "user-friendly-name"}],
        type={"text": "research software that suggests mentions in a recorded consultation"},
        version=[{"type": {"text": part}, "value": _plain(version)} for part, version in versions],
    )


def _outcome(case: _Case, left_out: Sequence[str]) -> dict:
    """What a reader has to know of the whole: warnings, changes by a person, and what is not in the bundle."""
    n_edited = sum(is_edited(segment) for segment in case.analysis.transcript.segments)
    edited = [f"A person has changed {count(n_edited, 'segment')} of the transcript."] if n_edited else []
    issues = [(DISCLAIMER, "warning"), *((warning, "warning") for warning in case.analysis.warnings)]
    issues += [(line, "information") for line in (*edited, *(f"Left out: {line}." for line in left_out))]
    return case.resource(
        "OperationOutcome",
        "\n".join(line for line, _ in issues[1:]) or "Nothing is left out.",
        issue=[{"severity": how, "code": "informational", "details": {"text": _plain(line)}} for line, how in issues],
    )


def _code(concept: ConceptFinding) -> dict:
    """The code where an open system has one; the label is our own and therefore no `display`."""
    system = SYSTEMS.get(concept.system)
    coding = {"coding": [{"system": system, "code": concept.code}]} if system else {}
    return {**coding, "text": _plain(concept.label)}


def _coded(system: str, code: str) -> dict:
    return {"coding": [{"system": TERMINOLOGY + system, "code": code}]}


def _plain(text: str) -> str:
    return " ".join(_NO_CHARACTERS.sub(" ", text).split())


def _markdown(text: str) -> str:
    """Words for an Annotation, whose text is markdown: what was said is to stay words there, too."""
    lines = (re.sub(r"([\\`*_\[\]])", r"\\\1", escape(_plain(line), quote=False)) for line in text.splitlines())
    return "\n\n".join(lines)
