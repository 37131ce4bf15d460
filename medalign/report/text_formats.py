"""An analysis as text for other programs: CSV for spreadsheets, WebVTT for players. JSON is `Analysis.to_dict()`.

Strings out, no file is written. The disclaimer travels inside each format, where a spreadsheet or a player keeps it.
"""

import csv
import io
import re
from collections.abc import Iterator
from html import escape

from medalign.core.analysis import DISCLAIMER, Analysis, ConceptFinding, Evidence
from medalign.core.transcript import UNKNOWN_SPEAKER, Segment
from medalign.core.wording import clock_range, heard_at

HEARD_ONLY = "heard only"  # an empty status would pass for a plain statement
COLUMNS = (
    "label", "system", "code", "category", "status", "action", "trigger", "agreement",
    "teacher_probability", "student_probability", "fused_probability",
    "evidence_start_s", "evidence_end_s", "evidence_words", "all_evidence",
    "recording", "asr", "teacher", "student", "status_classifier", "disclaimer",
)  # fmt: skip
# A spreadsheet may take a cell for a formula if it begins so; the last four are what some keyboards of East Asia type.
FORMULA_STARTS = "=+\\-@\t\r\n＝＋－＠"
# Also behind a separator: where a comma or a semicolon is none to us, another country's spreadsheet cuts the cell there.
_FORMULA = re.compile(rf"(^|[,;|\t\r\n\"]) *(?=[{FORMULA_STARTS}])")
_BOM = "\ufeff"
Cell = str | float | None


def to_csv(analysis: Analysis) -> str:
    """One row a concept, headed by `COLUMNS`; a recording without concepts has one row that names only the recording.

    The first place of evidence has columns of its own, the words before the sound; `all_evidence` holds every place.
    Text that a spreadsheet might run as a formula gets a leading apostrophe, numbers stay numbers. It begins with a byte
    order mark, because Excel takes UTF-8 for its own code page without one; Python reads it as "utf-8-sig".
    """
    models = analysis.models
    common: dict[str, Cell] = {
        "recording": analysis.recording.name,
        **{part: f"{model.name} {model.revision}" for part, model in vars(models).items()},
        "disclaimer": DISCLAIMER,
    }
    rows = [{**_concept_row(concept), **common} for concept in analysis.concepts] or [common]
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in rows)
    return _BOM + out.getvalue()


def _concept_row(concept: ConceptFinding) -> dict[str, Cell]:
    teacher, student = concept.teacher, concept.student
    places = (*concept.text_evidence, *concept.audio_evidence)
    row = {name: getattr(concept, name) for name in COLUMNS[:8]}
    row["status"] = concept.status or HEARD_ONLY
    row["teacher_probability"] = teacher and teacher.probability
    row["student_probability"] = student and student.probability
    row["fused_probability"] = concept.probability
    if places:
        row |= {"evidence_start_s": places[0].start_s, "evidence_end_s": places[0].end_s, "evidence_words": places[0].text}
    row["all_evidence"] = " | ".join(_place(place) for place in places)
    return row


def _place(evidence: Evidence) -> str:
    """`0:06 "cough"`; from the audio alone, `heard 0:06-0:12`."""
    if evidence.text is None:
        return f"heard {clock_range(evidence.start_s, evidence.end_s)}"
    return f'{heard_at(evidence)} "{evidence.text}"'


def safe_cell(value: Cell) -> Cell:
    return _FORMULA.sub(r"\g<0>'", value) if isinstance(value, str) else value


def to_vtt(analysis: Analysis) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/): one cue a segment, in order of time, speakers as voices.

    Segments without words have no cue. Hours always have two digits, as the format demands.
    """
    asr = analysis.models.asr
    notes = (DISCLAIMER, _one_line(f"Written by {asr.name}, revision {asr.revision}; may hold errors."))
    blocks = ["WEBVTT", *(f"NOTE\n{note}" for note in notes), *_cues(analysis)]
    return "\n\n".join(blocks) + "\n"


def _cues(analysis: Analysis) -> Iterator[str]:
    for segment in sorted(analysis.transcript.segments, key=lambda s: s.start_s):
        if words := _one_line(segment.text):
            start_ms = round(segment.start_s * 1000)
            end_ms = max(round(segment.end_s * 1000), start_ms + 1)  # a cue has to last
            yield f"{_timestamp(start_ms)} --> {_timestamp(end_ms)}\n{_voice(segment)}{words}"


def _voice(segment: Segment) -> str:
    """Who speaks is a guess until a person has said so, hence the question mark, as on the page."""
    speaker = _one_line(segment.speaker) + "?" * (segment.original_speaker is None)
    return f"<v {speaker}>" if segment.speaker.strip() and segment.speaker != UNKNOWN_SPEAKER else ""


def _one_line(text: str) -> str:
    """Words as cue text: no line break that would end the cue, no character that would begin a tag or an arrow."""
    return escape(" ".join(text.split()), quote=False)


def _timestamp(milliseconds: int) -> str:
    seconds, ms = divmod(milliseconds, 1000)
    minutes, s = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{s:02d}.{ms:03d}"
