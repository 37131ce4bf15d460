"""What all resources of one FHIR bundle share: its disclaimer, its source, its addresses, and how text is written."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from medalign.core.analysis import DISCLAIMER, Analysis, ConceptFinding

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
META = {  # on the bundle and every resource, so that neither travels without it
    "security": [{"system": TERMINOLOGY + "v3-ActReason", "code": "HRESCH", "display": "healthcare research"}],
    "tag": [{"system": "urn:medalign:tag", "code": "not-for-patient-care", "display": DISCLAIMER}],
}
_NO_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # allowed neither in FHIR strings nor in XHTML


@dataclass(frozen=True)
class Case:
    """What all resources of one bundle share."""

    analysis: Analysis
    urn: Callable[[str], str]  # a name inside the bundle -> its address
    numbers: dict[tuple, tuple[str, ...]]  # concept id and first evidence -> what was said of it: "500 mg"

    def resource(self, kind: str, narrative: str, **elements: object) -> dict:
        """A resource with its disclaimer, its source and its narrative; elements that are None are left out."""
        words = "".join(f"<p>{escape(plain(line), quote=False)}</p>" for line in (DISCLAIMER, *narrative.splitlines()))
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


def coded(system: str, code: str) -> dict:
    return {"coding": [{"system": TERMINOLOGY + system, "code": code}]}


def plain(text: str) -> str:
    return " ".join(_NO_CHARACTERS.sub(" ", text).split())


def markdown(text: str) -> str:
    """Words for an Annotation, whose text is markdown: what was said is to stay words there, too."""
    lines = (re.sub(r"([\\`*_\[\]])", r"\\\1", escape(plain(line), quote=False)) for line in text.splitlines())
    return "\n\n".join(lines)
