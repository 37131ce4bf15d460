"""What a recording only supposes: no statement that takes it for granted is borne out by it.

"If you start coughing up blood" bears out no haemoptysis, "if she is no better, start the amoxicillin" no antibiotic of today.
"""

import re

from medalign.concepts import ConceptBank
from medalign.concepts.notes import Clause
from medalign.concepts.tokens import phrase_tokens
from medalign.core.analysis import Evidence
from medalign.pipeline.notes.said import Said, related

GRANTED = frozenset(["present", "historical", "resolved"])  # statuses of a statement that takes a concept for granted
CONDITION = frozenset(["if", "unless"])
AT_ONCE = re.compile(r"\b(start(?:ed|s|ing)?|commence\w*|begin|began|initiat\w+|prescrib\w+|given|today|now)\b", re.IGNORECASE)
ON_CONDITION = re.compile(
    r"\b(if|unless|when|should|delayed|backup|rescue|standby|prn|as needed|as required|consider\w*|may|might|could|possibl\w+|"
    r"return\w*|warn\w*|safety|red flags?|watch|look out|risk\w*|advi[sc]e\w*|discuss\w*|in case|side effects?)\b",
    re.IGNORECASE,
)


def only_supposed(clause: Clause, claim: Said, said: Said, bank: ConceptBank) -> str | None:
    """A sentence on the first concept that the statement takes for granted and the recording has as a condition only."""
    if ON_CONDITION.search(clause.plain):
        return None
    for fact in claim.facts:
        same = [f for f in said.facts if f.concept_id in related(fact.concept_id, bank)]
        senses = {f.status for f in same}
        if senses != {"hypothetical"} or not all(_is_conditional(said, e) for f in same for e in f.evidence):
            continue
        if fact.category in ("finding", "diagnosis") and fact.status in GRANTED:
            return f"{fact.label} is only spoken of as something that may come"
        if fact.category == "medicine" and AT_ONCE.search(clause.plain):
            return f"{fact.label} is only spoken of on a condition"
    return None


def _is_conditional(said: Said, evidence: Evidence) -> bool:
    """Whether a place lies in a sentence that makes a condition."""
    passages = said.passages
    around = passages.around(passages.word_at(evidence.start_s))
    return any(token in CONDITION for i in around for token in phrase_tokens(passages.words[i].text))
