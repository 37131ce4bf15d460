"""Mentions of real conversations with the status that the consultation's own note gives them.

The note is plain prose that the rules read well; the conversation is where they err. A mention whose concept the note knows
in one status takes that, unless the rules hold it for a condition, a plan or another person's: a note does not write those
down. Without the note's word the rules' own reading counts little.
"""

from collections import defaultdict
from collections.abc import Iterable

from medalign.concepts import ConceptBank, find_mentions, find_mentions_in_text, transcript_from_text
from medalign.pipeline.assertion import passages
from medalign.training.data.consultations import Consultation
from medalign.training.status.grammar import Example

SURE, LIKELY, RULES_ONLY = 1.0, 0.5, 0.25
SETTLED_BY_NOTE = {"present", "negated", "uncertain"}


def weak_labels(consultations: Iterable[Consultation], bank: ConceptBank) -> list[Example]:
    """Examples from the training consultations with a note."""
    found = []
    for consultation in consultations:
        if consultation.split != "train" or not consultation.note:
            continue
        noted = defaultdict(set)
        for mention in find_mentions_in_text(consultation.note, bank):
            noted[mention.concept_id].add(mention.status)
        transcript = transcript_from_text("\n".join(f"[{u.role}] {u.text}" for u in consultation.utterances))
        mentions = find_mentions(transcript, bank)
        for mention, passage in zip(mentions, passages(transcript, mentions), strict=True):
            note = noted[mention.concept_id]
            status, weight = mention.status, RULES_ONLY
            if mention.status in note:
                weight = SURE if len(note) == 1 else LIKELY
            elif len(note) == 1 and mention.status in SETTLED_BY_NOTE and note <= {"present", "negated"}:
                (status,) = note
                weight = LIKELY
            is_other = status == "family"
            found.append(Example(passage, "present" if is_other else status, is_other, "", weight))
    return found
