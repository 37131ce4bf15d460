"""A measurement as the elements of a FHIR R4 Observation.

A LOINC code stands only where the value and the unit are what R4's vital signs profiles allow under it
(https://hl7.org/fhir/R4/observation-vitalsigns.html); all else has its kind in words. Nothing is converted.
"""

import re

from medalign.concepts.units import LABORATORY, SCORES
from medalign.core.analysis import Measurement

# Kind -> LOINC code and our units in UCUM.
VITAL_SIGNS = {
    "blood pressure": ("85354-9", {"mmHg": "mm[Hg]"}),
    "temperature": ("8310-5", {"°C": "Cel", "°F": "[degF]"}),
    "pulse": ("8867-4", {"/min": "/min"}),
    "oxygen saturation": ("2708-6", {"%": "%"}),
    "weight": ("29463-7", {"kg": "kg", "lb": "[lb_av]"}),
    "respiratory rate": ("9279-1", {"/min": "/min"}),
    "body mass index": ("39156-5", {"kg/m²": "kg/m2"}),
    "height": ("8302-2", {"cm": "cm"}),
}
SYSTOLIC, DIASTOLIC = "8480-6", "8462-4"
# Told in words, under no code.
PLAIN = frozenset(["alcohol", "tobacco", "peak flow", "waist"]) | LABORATORY | SCORES
NUMBER = r"\d+(?:\.\d+)?"
NO_TIME = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


def observation(measurement: Measurement) -> dict | None:
    """Status, code, value and, for vital signs, what their profiles demand; None for what is no observation of a person.

    Doses, how often and how long belong to a medicine or a complaint.
    """
    kind, value, unit = measurement.kind, measurement.value, measurement.unit
    if kind not in PLAIN and kind not in VITAL_SIGNS:
        return None
    loinc, ucum = VITAL_SIGNS.get(kind, ("", {}))
    if kind == "blood pressure" and (both := re.fullmatch(f"({NUMBER})/({NUMBER})", value)) and unit in ucum:
        parts = zip((SYSTOLIC, DIASTOLIC), both.groups(), strict=True)
        component = [{"code": _loinc(code), "valueQuantity": _quantity(number, unit, ucum[unit])} for code, number in parts]
        return {**_vital_sign(loinc, kind), "component": component}
    if re.fullmatch(NUMBER, value) and unit in ucum:
        return {**_vital_sign(loinc, kind), "valueQuantity": _quantity(value, unit, ucum[unit])}
    plain = {"status": "preliminary", "code": {"text": kind}}
    if re.fullmatch(NUMBER, value):
        return {**plain, "valueQuantity": _quantity(value, unit)}
    return {**plain, "valueString": f"{value} {unit}".strip()}


def _vital_sign(loinc: str, kind: str) -> dict:
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    return {
        "status": "preliminary",
        "category": [{"coding": [category]}],
        "code": {**_loinc(loinc), "text": kind},
        "_effectiveDateTime": NO_TIME,  # the profiles demand a time, and an analysis knows none
    }


def _loinc(code: str) -> dict:
    return {"coding": [{"system": "http://loinc.org", "code": code}]}


def _quantity(number: str, unit: str, ucum: str | None = None) -> dict:
    value = float(number)
    coded = {"system": "http://unitsofmeasure.org", "code": ucum} if ucum else {}
    return {"value": int(value) if value.is_integer() else value, **({"unit": unit} if unit else {}), **coded}
