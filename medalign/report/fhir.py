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
import uuid
from collections.abc import Sequence

from medalign import __version__
from medalign.concepts.senses import senses_of
from medalign.core.analysis import DISCLAIMER, Analysis
from medalign.core.editing import is_edited
from medalign.core.wording import clock, count
from medalign.report.fhir_case import META, Case, markdown, plain
from medalign.report.fhir_mention import mention
from medalign.report.fhir_observation import observation
from medalign.report.not_understood import critical_words
from medalign.report.summary import doubt_of, summarize


def to_fhir(analysis: Analysis) -> dict:
    """A Bundle of plain dicts, lists, numbers and strings, ready for `json.dumps`; the same analysis gives the same bundle."""
    digest = hashlib.sha256(json.dumps(analysis.to_dict(), sort_keys=True).encode()).hexdigest()

    def urn(name: str) -> str:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"medalign:{digest}:{name}").urn

    sections = summarize(analysis.concepts, analysis.measurements)
    numbers = {(e.concept_id, e.evidence): e.numbers for section in sections for e in section.entries if e.numbers}
    case = Case(analysis, urn, numbers)
    clinical, left_out = _clinical(case)
    patient = case.resource("Patient", "The person in the recording, not identified.")
    named = {"device": _device(case), "patient": patient, "outcome": _outcome(case, left_out)}
    named |= {f"mention {i}": resource for i, resource in enumerate(clinical)}
    entry = [{"fullUrl": urn(name), "resource": resource} for name, resource in named.items()]
    # Through JSON, so that no two resources share a dict that a caller may change.
    return json.loads(json.dumps({"resourceType": "Bundle", "meta": META, "type": "collection", "entry": entry}))


def _clinical(case: Case) -> tuple[list[dict], list[str]]:
    """Resources of what was said, and a sentence for each thing that is left out."""
    resources, left_out = [], []
    for concept in case.analysis.concepts:
        made = mention(concept, case)
        if isinstance(made, str):
            left_out.append(f"{concept.label}: {made}")
        else:
            resources.append(made)
    analysis = case.analysis
    senses = senses_of(analysis)
    for measurement, sense in zip(analysis.measurements, senses, strict=True):
        narrative = f'{measurement.kind}, said: "{measurement.text}" at {clock(measurement.start_s)}'
        elements = observation(measurement)
        if elements is not None and not measurement.is_plausible:
            left_out.append(f"{narrative}: {measurement.amount} can't be true of a person; to be checked")
        elif elements is not None and sense == "present":
            note = [{"text": markdown(narrative)}]
            resources.append(case.resource("Observation", narrative, **elements, subject=case.subject, note=note))
        elif elements is not None:
            left_out.append(f"{narrative}: said as {sense}{', or as a limit' if sense == 'uncertain' else ''}")
    return resources, left_out


def _device(case: Case) -> dict:
    models = case.analysis.models
    versions = [("MedAlign, which wrote this bundle", __version__)]
    roles = ("speech recogniser", models.asr), ("teacher", models.teacher), ("student", models.student)
    for part, model in (*roles, ("status classifier", models.status_classifier)):
        versions.append((part, f"{model.name}, revision {model.revision}"))
    narrative = "\n".join(f"{part}: {version}" for part, version in versions)
    return case.resource(
        "Device",
        narrative,
        deviceName=[{"name": "MedAlign", "type": "user-friendly-name"}],
        type={"text": "research software that suggests mentions in a recorded consultation"},
        version=[{"type": {"text": part}, "value": plain(version)} for part, version in versions],
    )


def _outcome(case: Case, left_out: Sequence[str]) -> dict:
    """What a reader has to know of the whole: warnings, changes by a person, and what is not in the bundle."""
    n_edited = sum(is_edited(segment) for segment in case.analysis.transcript.segments)
    edited = [f"A person has changed {count(n_edited, 'segment')} of the transcript."] if n_edited else []
    issues = [(DISCLAIMER, "warning"), *((warning, "warning") for warning in case.analysis.warnings)]
    doubted = [f'At {clock(w.start_s)}, "{w.text}": {doubt_of(w)}.' for w in critical_words(case.analysis)]
    issues += [(line, "information") for line in (*edited, *doubted, *(f"Left out: {line}." for line in left_out))]
    return case.resource(
        "OperationOutcome",
        "\n".join(line for line, _ in issues[1:]) or "Nothing is left out.",
        issue=[{"severity": how, "code": "informational", "details": {"text": plain(line)}} for line, how in issues],
    )
