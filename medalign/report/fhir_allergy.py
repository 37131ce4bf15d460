"""An allergy, or a medicine that did harm, as a FHIR R4 AllergyIntolerance, with what it did if that was said beside it."""

from medalign.concepts import ConceptBank
from medalign.concepts import bank as concepts
from medalign.concepts.mentions import DRUG_ALLERGY
from medalign.core.analysis import Analysis, ConceptFinding, Evidence
from medalign.report.fhir_case import coded

# R4 wants a clinical status of each that is no error (ait-1). An allergy only asked about, or another person's, is none.
STATUS = {
    "present": ("active", "unconfirmed"),
    "negated": ("inactive", "refuted"),
    "resolved": ("resolved", "unconfirmed"),
    "historical": ("inactive", "unconfirmed"),
}
REACTION_WITHIN_S = 8.0  # "penicillin" - "and what happened?" - "I came out in hives"
HARM = frozenset(["present", "resolved", "historical"])  # statuses in which a reaction was had


def is_allergy(concept: ConceptFinding) -> bool:
    """Whether a row is an allergy, or a medicine that did harm."""
    is_one = concepts.is_allergy(concept.concept_id, concept.label)
    return concept.status in STATUS and (is_one or concept.action == "reacted")


def allergy(concept: ConceptFinding, analysis: Analysis) -> dict:
    """Elements of the resource beside its code, patient and note; only for what `is_allergy`."""
    assert concept.status in STATUS, "is_allergy says which"
    clinical, verification = STATUS[concept.status]
    reactions = _reactions(concept, analysis) if concept.status in HARM else []
    return {
        "clinicalStatus": coded("allergyintolerance-clinical", clinical),
        "verificationStatus": coded("allergyintolerance-verification", verification),
        "category": ["medication"] if _is_to_a_medicine(concept) else None,
        "reaction": [{"manifestation": [{"text": label} for label in reactions]}] if reactions else None,
    }


def _is_to_a_medicine(concept: ConceptFinding) -> bool:
    bank = ConceptBank.default()
    broader = bank[concept.concept_id].broader if concept.concept_id in bank else ()
    return concept.category == "medicine" or DRUG_ALLERGY in (concept.concept_id, *broader)


def _reactions(concept: ConceptFinding, analysis: Analysis) -> list[str]:
    """Complaints said in the same breath, or right behind."""
    return [
        other.label
        for other in analysis.concepts
        if other.category == "finding"
        and other.status in HARM
        and any(_is_beside(own, its) for own in concept.text_evidence for its in other.text_evidence)
    ]


def _is_beside(allergy_said: Evidence, reaction_said: Evidence) -> bool:
    return (
        allergy_said.start_s - REACTION_WITHIN_S / 2 <= reaction_said.end_s
        and reaction_said.start_s <= allergy_said.end_s + REACTION_WITHIN_S
    )
