"""What was measured, as a row of its own: "sat ninety-seven percent" says oxygen saturation, if no phrase does."""

from collections.abc import Sequence
from functools import cache

from medalign.concepts import ConceptBank, Mention
from medalign.concepts.measurements import find_measurements
from medalign.concepts.senses import number_senses
from medalign.concepts.tokens import data_rows
from medalign.core.transcript import Transcript

# Kinds of numbers whose concept has another label than the kind; all others are found by their own name.
LABELS = {row["kind"]: row["label"] for row in data_rows("measured_concepts.csv")}
NEAR_S = 6.0  # a mention of the concept so near is of the same measurement


@cache
def _concepts(bank: ConceptBank) -> dict[str, str]:
    """Label -> id of what is measured."""
    return {concept.label: concept.concept_id for concept in bank.concepts if concept.category == "measurement"}


def with_measured(transcript: Transcript, mentions: Sequence[Mention], bank: ConceptBank) -> tuple[Mention, ...]:
    """Mentions in order of time, with one for each plausible number whose concept no mention near it names."""
    concepts = _concepts(bank)
    measurements = find_measurements(transcript, mentions, bank)
    wanted = [(m, concepts.get(LABELS.get(m.kind, m.kind.lower()))) for m in measurements if m.is_plausible]
    known = [(measurement, concept_id) for measurement, concept_id in wanted if concept_id]
    senses = number_senses(transcript, [measurement for measurement, _ in known])
    found = list(mentions)
    for (measurement, concept_id), sense in zip(known, senses, strict=True):
        if any(m.concept_id == concept_id and abs(m.start_s - measurement.start_s) < NEAR_S for m in found):
            continue
        ends_s = [segment.end_s for segment in transcript.segments]
        segment = next((i for i, end_s in enumerate(ends_s) if measurement.start_s < end_s), len(ends_s) - 1)
        found.append(Mention(concept_id, sense, None, measurement.text, measurement.start_s, measurement.end_s, segment))
    return tuple(sorted(found, key=lambda m: (m.start_s, m.end_s)))
