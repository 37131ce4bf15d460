"""What the answer to a question about allergies names: "Any allergies?" - "Just cats." - the cats are no concept elsewhere."""

from functools import cache

from medalign.concepts.answers import is_polar_question
from medalign.concepts.bank import ConceptBank
from medalign.concepts.spans import Span
from medalign.concepts.tokens import Token, data_rows, words_of

ASKING = words_of("allergy allergies allergic react reacted reaction reactions")
ANSWER_SENTENCES = 3  # after the question; another question about other things ends them
FAR = 12  # words of an answer that are read for it


@cache
def _allergens() -> dict[str, str]:
    """Word -> label of the allergy."""
    return {word: row["label"] for row in data_rows("allergens.csv") for word in row["words"].split()}


def answered_allergies(said: list[list[Token]], spans: list[list[Span]], bank: ConceptBank) -> list[list[Span]]:
    """The concepts of each sentence, with allergies to what an answer or the question itself names.

    Args:
        spans: by sentence. Words that mean a concept already are left alone.
    """
    ids = {concept.label: concept.concept_id for concept in bank.concepts}
    found, left = [], 0
    for sentence, known in zip(said, spans, strict=True):
        asks = bool(ASKING & {token.text for token in sentence})
        if asks:
            left = ANSWER_SENTENCES + 1  # with the question itself
        elif is_polar_question(sentence) and len(sentence) > 2:  # "Eggs?" asks on, "Any surgery?" no longer
            left = 0
        taken = {at for span in known for at in range(span.start, span.end)}
        named = [
            Span(at, at + 1, ids[_allergens()[token.text]], 1)
            for at, token in enumerate(sentence[:FAR])
            if left and token.text in _allergens() and at not in taken and _allergens()[token.text] in ids
        ]
        left = max(0, left - 1)
        found.append(sorted([*known, *named], key=lambda span: span.start))
    return found
