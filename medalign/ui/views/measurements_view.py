"""Numbers that were said: what they measure, what they belong to, and where to hear them."""

from collections.abc import Sequence

from medalign.core.analysis import ConceptFinding, Evidence, Measurement
from medalign.ui.views.markup import play_button, table, text

COLUMNS = ["What", "Value", "Of", "Said"]


def measurements_view(measurements: Sequence[Measurement], concepts: Sequence[ConceptFinding]) -> str:
    """One row a measurement, in order of time; nothing where no number was said."""
    if not measurements:
        return ""
    labels = {concept.concept_id: concept.label for concept in concepts}
    rows = [
        [
            text(m.kind),
            f"<strong>{text(m.value)}</strong> {text(m.unit)}",
            text(labels.get(m.concept_id, "")),
            f'<div class="buttons">{play_button(Evidence(m.start_s, m.end_s, m.text), m.kind, "read")}</div>',
        ]
        for m in measurements
    ]
    return f'<section class="measurements">{table(f"Numbers said ({len(rows)})", COLUMNS, rows)}</section>'
