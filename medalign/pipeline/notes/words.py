"""Words of notes: which tell something and how much, which deny, and which name a relative."""

import math

from medalign.concepts.misheard import frequency
from medalign.concepts.tokens import phrase_tokens, stem, words_of

COMMON = words_of(
    "a an the of to in on at for with and or but is are was were be been being has have had he she they it his her their its "
    "patient patient's reports report reported states stated denies denied no not nil any some this that these those there "
    "who which will would also as by from mr mrs ms history past medical family social medication allergies examination "
    "assessment plan results none other since per due"
)
NEGATORS = words_of("no not denies denied nil without never none negative isn't doesn't don't hasn't haven't didn't cannot nor")
SAID_NO = NEGATORS | words_of("nope nah nothing can't couldn't wasn't aren't won't wouldn't neither")
RELATIVES = words_of(
    "mother father mom mum dad sister brother wife husband son daughter aunt uncle grandmother grandfather cousin partner "
    "parents grandparents siblings grandma grandpa niece nephew maternal paternal"
)
SAME_RELATIVE = {"mom": "mother", "mum": "mother", "dad": "father", "grandma": "grandmother", "grandpa": "grandfather"}
WORDS_IN_USE = 2e10  # of the corpus that frequencies are of


def weight_of(token: str) -> float:
    """How much a word tells: the rarer, the more; about 0 to 17."""
    return max(0.0, math.log(WORDS_IN_USE / (min(frequency(token), WORDS_IN_USE) + 300)))


def content(text: str) -> dict[str, float]:
    """Stems of a statement's telling words, with their weights."""
    tokens = [token for token in phrase_tokens(text) if token not in COMMON and not token.isdigit()]
    return {stem(token): weight_of(token) for token in tokens if len(token) > 1}


def overlap(wanted: dict[str, float], stems: frozenset[str]) -> float:
    """Share of the statement's words, by weight, that stand there; 0.5 where it has none."""
    total = sum(wanted.values())
    return sum(weight for key, weight in wanted.items() if key in stems) / total if total else 0.5


def relatives_in(text: str) -> set[str]:
    """Whom a text names, each in one word: "mum" is the mother."""
    return {SAME_RELATIVE.get(token, token) for token in frozenset(phrase_tokens(text)) & RELATIVES}
