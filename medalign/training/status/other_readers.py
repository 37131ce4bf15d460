"""Senses by medspaCy's ConText and by negspaCy's NegEx, both as they come: run by the Python of an environment that has them.

They need another numpy than MedAlign does, so this file stands alone. Standard input holds a JSON list of [text, start, end], a
mention being the characters [start, end) of a sentence or more; the last line of standard output holds, by reader, the senses
in that order, and the releases.
"""

import json
import sys
from importlib.metadata import version
from typing import Any

# Where ConText finds several, the first: what a relative does not have is not there, as MedAlign counts it.
ATTRIBUTES = {
    "is_negated": "negated", "is_family": "family", "is_hypothetical": "hypothetical", "is_uncertain": "uncertain",
    "is_historical": "past",
}  # fmt: skip


def main() -> None:
    """Read the mentions, and write what both make of them."""
    mentions = json.load(sys.stdin)
    readers = {"medspaCy ConText": (medspacy_pipeline(), by_context), "negspaCy": (negspacy_pipeline(), by_negex)}
    senses = {}
    for name, (nlp, sense) in readers.items():
        senses[name] = [sense(marked(text, start, end, nlp)) for text, start, end in mentions]
    versions = {name: version(name) for name in ("medspacy", "negspacy", "spacy")}
    sys.stdout.write("\n" + json.dumps({"senses": senses, "versions": versions}) + "\n")


def medspacy_pipeline() -> Any:
    import medspacy

    return medspacy.load(medspacy_enable=["medspacy_pyrush", "medspacy_context"])


def negspacy_pipeline() -> Any:
    import spacy
    from negspacy.negation import Negex  # noqa: F401  registers "negex"
    from negspacy.termsets import termset

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("negex", config={"neg_termset": termset("en_clinical").get_patterns()})
    return nlp


def marked(text: str, start: int, end: int, nlp: Any) -> Any:
    """The mention as an entity of its text, read by all steps: the first cuts sentences, the second looks at entities."""
    cut, read = (step for _, step in nlp.pipeline)
    doc = cut(nlp.make_doc(text))
    doc.ents = [doc.char_span(start, end, label="MENTION", alignment_mode="expand")]
    return read(doc).ents[0]


def by_context(entity: Any) -> str:
    return next((sense for name, sense in ATTRIBUTES.items() if getattr(entity._, name)), "present")


def by_negex(entity: Any) -> str:
    """It knows denials only."""
    return "negated" if entity._.negex else "present"


if __name__ == "__main__":
    main()
