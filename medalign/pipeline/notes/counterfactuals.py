"""What a statement would say if it were wrong: denied, of another medicine or complaint, another number, another side.

A sound fits many texts. What it says of a statement shows only beside what it says of these: a sound that fits "amlodipine" no
worse than "bisoprolol" tells nothing about either.
"""

import re
from collections.abc import Container, Iterable, Sequence
from functools import cache
from hashlib import sha256

from medalign.concepts import ConceptBank
from medalign.pipeline.notes.said import Fact

N_NAMES = 8  # others of the bank, of the same kind, that a medicine or a complaint is asked against
SIDES = {"left": "right", "right": "left", "bilateral": "left", "bilaterally": "on the left"}
SMALL = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
REMOVED = re.compile(r"^(?:no|nil|denies(?: any)?|without|non|never|not)\b[\s-]*", re.IGNORECASE)
TO_DENY = (  # first that fits
    (re.compile(r"\b(reports|endorses|admits to|complains of|states)(?: that)?\b", re.I), "denies"),
    (re.compile(r"\b(has|have|had)\s+(?:an?|some)\s+", re.I), r"\1 no "),
    (re.compile(r"\b(is|are|was|were|will|can|could|should)\s+(?!no\b|not\b|there|last\b|un|also\b)", re.I), r"\1 not "),
    (re.compile(r"\b(has|have|had)\s+(?=(?:been|had|\w+ed)\b)", re.I), r"\1 not "),
    (re.compile(r"\b(lives|works|smokes|drinks|takes|feels|uses|needs|wears)\b", re.I), r"no longer \1"),
)
TO_AFFIRM = (
    (re.compile(r"\b(does|do|did)(?: not|n't)\s+", re.I), ""),
    (re.compile(r"\b(is|are|was|were|has|have|had|can|could|will|would)(?: not|n't)\b", re.I), r"\1"),
    (re.compile(r"\b(denies|denied)(?: any| having| experiencing)*\b", re.I), "reports"),
    (re.compile(r"\bno longer\b", re.I), "still"),
    (re.compile(r"\b(has|have|had|there is|there are|with|reports) (?:no|not any)\b", re.I), r"\1"),
    (re.compile(r"\bnegative for\b", re.I), "positive for"),
    (re.compile(r"\bwithout\b", re.I), "with"),
)
DIGITS = re.compile(r"(?<![\w/.-])(\d{1,4})(?:\.\d+)?(?![\w]*[/:]\d)")
PREFIX = re.compile(r"^([A-Z][\w ,]{2,40}: )")


def lead_of(text: str) -> tuple[str, str]:
    """What the heading says, and the statement itself."""
    named = PREFIX.match(text)
    return (named[1], text[named.end() :]) if named else ("", text)


def denied(text: str) -> str | None:
    """The statement with its negation flipped, where a verb or a "no" tells how.

    >>> denied("No chest pain"), denied("Has a cough")
    ('Has chest pain', 'Has no cough')
    """
    lead, rest = lead_of(text)
    if REMOVED.match(rest):
        bare = REMOVED.sub("", rest)
        return f"{lead}Has {bare}" if bare and not rest.lower().startswith(("not ", "never")) else None
    for pattern, put in (*TO_AFFIRM, *TO_DENY):
        if pattern.search(rest):
            return lead + " ".join(pattern.sub(put, rest, count=1).split())
    return None


def other_numbers(value: int) -> list[int]:
    """What may be written in its place: twice, a little more, half, ten times."""
    return [v for v in (value * 2, value + 1 if value < 12 else value + 10, value // 2, value * 10) if v not in (0, value)]


def other_side(text: str) -> str | None:
    """The statement of the other side, where exactly one is named."""
    found = list(re.finditer(r"\b(left|right|bilateral|bilaterally)\b", text, re.I))
    if len(found) != 1:
        return None
    at = found[0]
    return f"{text[: at.start()]}{SIDES[at[0].lower()]}{text[at.end() :]}"


def counterfactuals(
    text: str, facts: Sequence[Fact], unsaid: Container[str], numbers_said: Iterable[float], bank: ConceptBank
) -> list[str]:
    """What the sound is asked beside a statement: its denial, its other side, and others for what the words never tell.

    Args:
        facts: of the statement.
        unsaid: "concept" and "number", where the words of the recording lack one of the statement's.
        told: numbers that are said where the statement fits: one of them may be the right one.
    """
    found = [other for other in (denied(text), other_side(text)) if other]
    if "concept" in unsaid:
        for fact in facts:
            said = fact.evidence[0].text or ""
            names = [name for name in _names(bank, fact.category) if name not in text.lower()][:N_NAMES]
            found += [text.replace(said, name, 1) for name in names if said in text]
    if "number" in unsaid:
        for at in DIGITS.finditer(text):
            others = [
                *other_numbers(int(at[1])),
                *(int(number) for number in numbers_said if number.is_integer() and number != int(at[1])),
            ]
            found += [f"{text[: at.start(1)]}{value}{text[at.end(1) :]}" for value in others]
        for word in SMALL[1:]:
            if re.search(rf"\b{word}\b", text, re.I):
                words = [other for other in SMALL[1:] if other != word]
                found += [re.sub(rf"\b{word}\b", other, text, count=1, flags=re.I) for other in words]
    return list(dict.fromkeys(other for other in found if other.lower() != text.lower()))


@cache
def _names(bank: ConceptBank, category: str) -> tuple[str, ...]:
    """Names of one or two words, in an order that has nothing to do with their names, and stays as the bank grows."""
    labels = {concept.label.lower() for concept in bank.concepts if concept.category == category}
    names = (label for label in labels if len(label.split()) <= 2 and label.replace(" ", "").isalpha())
    return tuple(sorted(names, key=lambda name: sha256(name.encode()).digest()))
