"""What one statement of a note claims, read by the same rules as a recording's words."""

import re
from collections.abc import Sequence

from medalign.concepts import ConceptBank, Mention, find_mentions, transcript_from_text
from medalign.concepts.measurements import find_measurements
from medalign.concepts.notes import LEAD_IN, Clause
from medalign.core.analysis import Action, Evidence, Status
from medalign.core.transcript import Transcript
from medalign.pipeline.notes.said import Fact, Said

STOPPED = re.compile(r"\b(stop(s|ped|ping)?|discontinu\w*|ceased?|came off|no longer (takes|taking|on)|hold|withh\w+)\b", re.I)
TAKING = re.compile(r"\b(takes|taking|started?|starting|continues?|on|begin|initiat\w+|uses|using|increase\w*)\b", re.I)
SUPPOSED = re.compile(r"\b(possible|possibly|probable|probably|likely|suspect\w*|normal|maintained|good|intact|stable)\b", re.I)
ABSENT = re.compile(r"\bno known\s+|\bnegative\s+(?!for\b)", re.I)
NONE = re.compile(r"^([A-Z][a-z ]+): none$")
SCOPE_END = re.compile(r"\s*[()]\s*|\s+-\s+|(?<=[a-z])-\s+")  # a denial does not reach beyond


def statement_said(clause: Clause, bank: ConceptBank) -> Said:
    """The statement read by the same rules as a recording's words.

    Not by the status classifier, which learnt how people speak: notes say "no", "denies" and "stopped" as rules expect.
    """
    written = transcript_from_text(SCOPE_END.sub(". ", ABSENT.sub("no ", NONE.sub(r"no \1", clause.plain))))
    mentions = _without_heading(clause, find_mentions(written, bank), written)
    facts = [
        Fact(m.concept_id, bank[m.concept_id].label, bank[m.concept_id].category, _status(clause, m),
             _action(clause, m) if bank[m.concept_id].category == "medicine" else None,
             (Evidence(m.start_s, m.end_s, m.text),))
        for m in mentions
    ]  # fmt: skip
    return Said(written, tuple(facts), find_measurements(written, mentions, bank))


def _without_heading(clause: Clause, mentions: Sequence[Mention], written: Transcript) -> list[Mention]:
    """The heading's own word claims nothing beside a denial: in "Allergies: no known drug allergies" there is none."""
    lead, colon, _ = clause.plain.partition(": ")
    is_heading = colon and lead == LEAD_IN.get(clause.section) and any(m.status == "negated" for m in mentions)
    rest_s = written.words[len(lead.split())].start_s if is_heading else 0.0
    return [m for m in mentions if m.start_s >= rest_s or m.status != "present"]


def _status(clause: Clause, mention: Mention) -> Status:
    """What is planned, supposed or measured against what is normal states no complaint."""
    if mention.status in ("present", "historical", "resolved") and clause.section == "family":
        return "family"
    if mention.status == "present" and (clause.section == "plan" or SUPPOSED.search(clause.plain)):
        return "hypothetical" if clause.section == "plan" else "uncertain"
    return mention.status


def _action(clause: Clause, mention: Mention) -> Action | None:
    if mention.status == "negated":
        return "not_taking"
    if STOPPED.search(clause.plain):
        return "stopped"
    return "taking" if clause.section == "medicines" or TAKING.search(clause.plain) else None
