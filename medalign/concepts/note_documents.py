"""A note's words out of what they are wrapped in: FHIR, the JSON of an analysis, HTML."""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator
from typing import Any

from medalign.core.analysis import SCHEMA_VERSION, Analysis
from medalign.core.errors import DataError

UNREAD = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
TABLE_ROW = re.compile(r"^[ \t]*\|(.*)\|[ \t]*$", re.MULTILINE)
MARKS = re.compile(r"(\*\*|__|`|~~)")  # of markdown, inside a line
TAG = re.compile(r"<[^<>]{0,2000}>")
BLOCK = re.compile(r"</?(?:p|div|li|ul|ol|br|tr|table|h\d)\b[^<>]*>", re.IGNORECASE)


def plain_text(text: str) -> str:
    """Without the wrapping that FHIR, JSON and HTML put around the words. Raises DataError for JSON that holds no note."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    if text.lstrip()[:1] in ("{", "["):
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return text  # a note may begin with a bracket
        found = "\n".join(_of_json(body))
        if not found.strip():
            wanted = "a FHIR Composition or DocumentReference with its text, or what `analyze` wrote"
            raise DataError(f"this JSON holds no note; give {wanted}")
        return found
    if re.search(r"</(?:p|div|li|body|html|td|script|style)>", text, re.IGNORECASE):
        text = _without_tags(text)
    lines = TABLE_ROW.sub(_row, text).split("\n")
    return "\n".join(line if line.lstrip().startswith("**") else MARKS.sub("", line) for line in lines)  # "**PMH:** asthma"


def _row(row: re.Match[str]) -> str:
    """A row of a table as a line: "| PMH | asthma |" is "PMH: asthma"."""
    cells = [cell.strip() for cell in row[1].split("|") if cell.strip()]
    if all(set(cell) <= set("-: ") for cell in cells):
        return ""
    return f"{cells[0]}: {', '.join(cells[1:])}" if len(cells) > 1 else cells[0]


def _of_json(body: Any) -> Iterator[str]:
    if not isinstance(body, dict):
        return
    if str(body.get("schema_version", "")).split(".")[0] == SCHEMA_VERSION.split(".")[0] and "concepts" in body:
        yield from _of_analysis(Analysis.from_dict(body))
    kind = body.get("resourceType")
    if kind == "Bundle":
        for entry in body.get("entry") or []:
            yield from _of_json(entry.get("resource") if isinstance(entry, dict) else None)
    elif kind == "DocumentReference":
        for content in body.get("content") or []:
            attachment = content.get("attachment", {}) if isinstance(content, dict) else {}
            data = attachment.get("data")
            if isinstance(data, str) and str(attachment.get("contentType", "text/plain")).startswith("text/"):
                try:
                    yield _without_tags(base64.b64decode(data, validate=True).decode("utf-8"))
                except (binascii.Error, UnicodeDecodeError) as error:
                    raise DataError(f"the attachment of the DocumentReference is no base64 of UTF-8 text ({error})") from error
    elif kind == "Composition":
        yield from _of_sections(body.get("section"))


def _of_sections(sections: Any) -> Iterator[str]:
    for section in sections if isinstance(sections, list) else []:
        if not isinstance(section, dict):
            continue
        if isinstance(title := section.get("title"), str):
            yield f"{title.strip().rstrip(':')}:"
        words = section.get("text")
        if isinstance(words, dict) and isinstance(div := words.get("div"), str):
            yield _without_tags(div)
        yield from _of_sections(section.get("section"))


def _of_analysis(analysis: Analysis) -> Iterator[str]:
    """What the analysis found, as a note would say it."""
    said = {
        "present": "Has {}.", "negated": "No {}.", "resolved": "Had {}, now resolved.", "historical": "History of {}.",
        "family": "Family history of {}.", "hypothetical": "Plan: {}.", "uncertain": "Possible {}.",
    }  # fmt: skip
    for concept in analysis.concepts:
        if concept.status is not None:
            verb = "Takes {}." if concept.category == "medicine" and concept.status == "present" else said[concept.status]
            yield verb.format(concept.label)


def _without_tags(markup: str) -> str:
    return html.unescape(TAG.sub("", BLOCK.sub("\n", UNREAD.sub(" ", markup))))
