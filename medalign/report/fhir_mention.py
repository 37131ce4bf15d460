"""One concept as it was said, as a FHIR R4 resource; the table in `fhir` says which."""

import re
from collections.abc import Iterator

from medalign.core.analysis import ConceptFinding
from medalign.core.wording import clock_range, done_with, heard_at
from medalign.report.fhir_allergy import allergy, is_allergy
from medalign.report.fhir_case import TERMINOLOGY, Case, coded, markdown, plain

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


def mention(concept: ConceptFinding, case: Case) -> dict | str:
    """The resource of one concept; a string says why there is none."""
    if concept.status is None or not concept.text_evidence:
        return "heard in the sound only, which does not tell the status"
    narrative = "\n".join(_evidence(concept, case))
    note = [{"text": markdown(narrative)}]
    if concept.status == "family":
        return _family(concept, narrative, note, case)
    if is_allergy(concept):
        elements = allergy(concept, case.analysis)
        return case.resource("AllergyIntolerance", narrative, **elements, code=_code(concept), patient=case.subject, note=note)
    if concept.category == "medicine":
        said = case.said_of(concept)
        mention = f"mentioned as {concept.status}{f', {done_with(concept)}' if concept.action else ''}"
        return case.resource(
            "MedicationStatement",
            narrative,
            status=MEDICATION_BY_ACTION.get(concept.action or "", MEDICATION[concept.status]),
            statusReason=[{"text": f"{mention} in a consultation; whether it is taken is to be asked"}],
            medicationCodeableConcept=_code(concept),
            subject=case.subject,
            dosage=[{"text": plain(said)}] if said else None,
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
        clinicalStatus=coded("condition-clinical", clinical) if clinical else None,
        verificationStatus=coded("condition-ver-status", verification),
        code=_code(concept),
        subject=case.subject,
        note=note,
    )


def _procedure(concept: ConceptFinding, narrative: str, note: list[dict], case: Case) -> dict:
    if concept.status == "hypothetical":
        request = {"status": "draft", "intent": "proposal"}
        return case.resource("ServiceRequest", narrative, **request, code=_code(concept), subject=case.subject, note=note)
    status = PROCEDURE[concept.status or "uncertain"]
    return case.resource("Procedure", narrative, status=status, code=_code(concept), subject=case.subject, note=note)


def _family(concept: ConceptFinding, narrative: str, note: list[dict], case: Case) -> dict | str:
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
        relationship={"coding": [{"system": TERMINOLOGY + "v3-RoleCode", "code": code}], "text": plain(trigger)},
        note=None if is_condition else note,
        condition=[{"code": _code(concept), "note": note}] if is_condition else None,
    )


def _evidence(concept: ConceptFinding, case: Case) -> Iterator[str]:
    """Lines that say where a concept comes from and how far to trust it."""
    analysis, places = case.analysis, concept.text_evidence
    by = f' by "{concept.trigger}"' if concept.trigger else ""
    yield f"{concept.label}: mentioned as {concept.status}{by}, for review."
    yield "Said: " + "; ".join((f'"{e.text}" at ' if e.text else "") + heard_at(e) for e in places) + "."
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
        if c.concept_id == concept.concept_id and any(c.meets(e.start_s, e.words_end_s) for e in places):
            yield f'The transcript has "{c.said}"; the name is a suggestion.'
    if any(s.reason and s.start_s < e.end_s and s.end_s > e.start_s for s in analysis.alignment.segments for e in places):
        yield "The segment is marked to be listened to again."


def _code(concept: ConceptFinding) -> dict:
    """The code where an open system has one; the label is our own and therefore no `display`."""
    system = SYSTEMS.get(concept.system)
    coding = {"coding": [{"system": system, "code": concept.code}]} if system else {}
    return {**coding, "text": plain(concept.label)}
