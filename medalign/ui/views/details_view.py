"""For researchers, folded away: models, times, raw scores, and the words of the trade."""

from medalign.core.analysis import Analysis, Source
from medalign.ui.views.markup import folded, table, text

GLOSSARY = (
    "<dl><dt>Teacher</dt><dd>a frozen language model that reads the transcript.</dd>"
    "<dt>Student</dt><dd>an audio encoder trained to place sound where the teacher places its text.</dd>"
    "<dt>Raw score</dt><dd>cosine of the best window and the concept's text; not comparable between concepts, "
    "models or witnesses.</dd><dt>Probability</dt><dd>that score, calibrated on held-out consultations.</dd>"
    "<dt>Percentile</dt><dd>share of a fixed set of distractor texts that fit the window's sound worse than its "
    "transcript does.</dd></dl>"
)


def details_view(analysis: Analysis) -> str:
    return _models(analysis) + _timings(analysis) + _raw_scores(analysis) + folded("Words used here", GLOSSARY)


def _models(analysis: Analysis) -> str:
    models = analysis.models
    roles = (("Speech recognition", models.asr), ("Teacher", models.teacher), ("Student", models.student))
    rows = [[role, text(model.name), f"<code>{text(model.revision)}</code>"] for role, model in roles]
    return table("Models", ["Role", "Name", "Revision"], rows)


def _timings(analysis: Analysis) -> str:
    t, recording = analysis.timings_s, analysis.recording
    cells = [f"{seconds:.2f} s" for seconds in (t.decode, t.transcribe, t.teacher, t.student, t.total)]
    source = f"{recording.sample_rate_hz} Hz, {recording.channels} channel(s), {recording.duration_s:.2f} s"
    columns = ["Decode", "Transcribe", "Teacher", "Student", "Total", "Source"]
    return table("Times, and the recording as it came", columns, [[*cells, source]])


def _raw_scores(analysis: Analysis) -> str:
    rows = [
        [text(c.label), text(c.status or "–"), text(c.trigger or "–"), *_numbers(c.teacher), *_numbers(c.student)]
        for c in analysis.concepts
    ]
    columns = ["Concept", "Status", "Trigger", "Teacher p", "Teacher raw", "Student p", "Student raw"]
    return table("Raw scores", columns, rows) if rows else ""


def _numbers(witness: Source | None) -> tuple[str, str]:
    return (f"{witness.probability:.3f}", f"{witness.raw_score:.3f}") if witness else ("–", "–")
