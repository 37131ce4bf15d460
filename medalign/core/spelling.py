"""Labels of concepts as British or American clinicians write them; codes and identifiers stay what they are."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from medalign.core.analysis import Analysis, ConceptFinding
from medalign.core.tables import read_rows

Wording = Literal["UK", "US"]
WORDINGS: tuple[Wording, ...] = get_args(Wording)

_ROWS = read_rows(Path(__file__).with_name("spellings.csv"), (), remedy="install MedAlign again")
_NAMES = [(row["american"], row["british"]) for row in _ROWS if row["kind"] == "word"]
_PARTS = [(row["american"], row["british"]) for row in _ROWS if row["kind"] == "part"]  # patterns
# Names of people and places, and what is said letter by letter, in labels that are in lower case.
_PROPER = re.compile(
    r"\b(?:raynaud|meniere|crohn|parkinson|alzheimer|bell|huntington|morton|sjogren|baker|dupuytren|addison|cushing|barrett"
    r"|peyronie|bartholin|bowen|gilbert|zenker|heberden|bouchard|down)(?='s\b)|\b(?:lyme|graves|achilles|perthes|romberg|murphy"
    r"|babinski|hirschsprung)\b|\bwilson(?= disease)|\b(?:guillain-barre|mallory-weiss|osgood-schlatter)\b|\bst john(?='s wort)"
    r"|(?<=\bde )quervain\b|\bparkinson(?= medicine)"
)
_LETTERS = re.compile(r"\b(?:hiv|ct|mri|covid)\b|(?<=\bvitamin )[a-k]\b|(?<=\bhepatitis )[a-e]\b")


@cache
def worded(label: str, wording: Wording) -> str:
    """A label of the concept bank, which has American spelling and a few British names."""
    for here, there in _NAMES if wording == "UK" else [pair[::-1] for pair in _NAMES]:
        label = re.sub(rf"\b{re.escape(here)}\b", there, label, flags=re.IGNORECASE)
    for part, british in _PARTS if wording == "UK" else ():
        label = re.sub(part, british, label)
    return _LETTERS.sub(lambda found: found[0].upper(), _PROPER.sub(lambda found: found[0].title(), label))


def reworded(analysis: Analysis, wording: Wording) -> Analysis:
    """The same analysis with other labels, and suggested names like them; what was said stays as it was said."""

    def concept(found: ConceptFinding) -> ConceptFinding:
        others = tuple(replace(other, label=worded(other.label, wording)) for other in found.alternatives)
        return replace(found, label=worded(found.label, wording), alternatives=others)

    tracks = tuple(replace(track, label=worded(track.label, wording)) for track in analysis.alignment.tracks)
    alignment = replace(analysis.alignment, tracks=tracks)
    said = analysis.critical_words
    words = tuple(replace(word, alternative=word.alternative and worded(word.alternative, wording)) for word in said)
    suggested = tuple(replace(correction, name=worded(correction.name, wording)) for correction in analysis.corrections)
    concepts = tuple(map(concept, analysis.concepts))
    return replace(analysis, concepts=concepts, corrections=suggested, critical_words=words, alignment=alignment)
