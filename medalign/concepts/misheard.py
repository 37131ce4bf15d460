"""Words that a recogniser made of a medicine's or a disease's name: "salby temol", "bclonthusone".

A stretch of one to four words that holds something odd (no English word, or one that the recogniser doubts itself) is
compared with every name in the bank, by its letters and by its sound. What comes out are suggestions with their likeness,
never a mention: which of them to trust is decided by `pipeline.misheard_names`, with the sound of the recording.

Complaints are everyday words and no names, so a recogniser that mishears them writes everyday words, too: "an air ache". Of
these only words that sound like a part of the body are looked at, where that part would make a concept of the bank.

Sound is compared by Metaphone (Philips 1990) as jellyfish has it, letters by Jaro-Winkler and edit distance as rapidfuzz
has them; English words are those of the frequency dictionary of symspellpy.
"""

import math
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files

import jellyfish
import numpy as np
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler, Levenshtein
from rapidfuzz.process import cdist

from medalign.concepts.bank import Concept, ConceptBank
from medalign.concepts.spans import find_spans
from medalign.concepts.tokens import Token, phrase_tokens, stem

CATEGORIES = ("medicine", "diagnosis")
SAME_WORD = 85.0  # likeness of letters, of 100, from which on a wording is another spelling of the label
MAX_WORDS = 4
MAX_NAME_WORDS = 3  # of a name; longer wordings describe
MIN_LETTERS, MAX_LETTERS = 5, 26  # of a name; shorter ones sound like too much else
DOUBTED = 0.5  # the recogniser's probability of a word below which it counts as odd
COMMON = 200_000  # count in the dictionary from which on a word is an everyday word
EVERYDAY = 5_000_000  # a name of such words alone ("taking the pill", "stroke") is read well and is never suggested
MIN_LIKENESS = 0.55  # mean of the likenesses; below, nothing is suggested
MIN_EXPECTED = 0.4  # the same for a name that is expected there
MAX_NAMES = 6  # of different concepts, for one stretch
MAX_NAMES_OF_ONE = 30  # no concept has more synonyms that look alike
Places = Sequence[tuple[int, int]]  # tokens [start, end) of a sentence
DICTIONARY = "frequency_dictionary_en_82_765.txt"


SOUNDS_LIKE_BODY = {  # an everyday word, and the part of the body or the complaint that it is easily written for
    "air": "ear", "airs": "ears", "heir": "ear", "heal": "heel", "tow": "toe", "tows": "toes", "waste": "waist", "feat": "feet",
    "chess": "chest", "hart": "heart", "soar": "sore", "mussel": "muscle", "mussels": "muscles", "naval": "navel",
}  # fmt: skip


def spelt(name: str, concept: Concept) -> str:
    """A name as it is shown, since the bank has common misspellings, too: the label, if the wording is only another spelling
    of that; of a medicine, the first wording that sounds the same, which is how a brand is spelt; else the wording."""
    if fuzz.ratio(concept.label.replace(" ", ""), name.replace(" ", "")) >= SAME_WORD:
        return concept.label
    alike = (concept.label, *concept.synonyms) if concept.system == "DRUG" else ()
    return next((other for other in alike if _sound(other) == _sound(name)), name)


def _sound(name: str) -> str:
    return jellyfish.metaphone(name.replace(" ", "").replace("-", ""))


@dataclass(frozen=True)
class Suggestion:
    """A name that a stretch of words may have been."""

    start: int  # tokens [start, end) of the sentence
    end: int
    concept_id: str
    name: str  # as the bank writes it
    sound: float  # likeness of the Metaphone codes, 0 to 1
    spelling: float  # likeness of the letters, 0 to 1
    margin: float  # of its likeness over that of the best name of another concept, negative if that one is likelier
    doubt: float  # 1 - the recogniser's mean probability of the words
    oddness: float  # share of the letters that stand in words no dictionary has, or few people use
    n_letters: int
    is_body_part: bool = False  # a part of the body was written as another everyday word

    @property
    def likeness(self) -> float:
        return (self.sound + self.spelling) / 2

    @property
    def features(self) -> tuple[float, ...]:
        """What its probability is fitted on."""
        return (self.sound, self.spelling, self.margin, self.doubt, self.oddness, math.log(self.n_letters))


@dataclass(frozen=True)
class _Names:
    concept_ids: tuple[str, ...]
    names: tuple[str, ...]
    letters: tuple[str, ...]
    codes: tuple[str, ...]


def suggest(
    sentence: Sequence[Token], probabilities: Sequence[float], taken: Places, bank: ConceptBank, expected: Collection[str] = ()
) -> tuple[Suggestion, ...]:
    """The likeliest names for each odd stretch of a sentence; stretches may overlap.

    Args:
        probabilities: the recogniser's, of each token.
        taken: tokens [start, end) that already are a mention.
        expected: concepts that there is another reason to look for; less likeness will do.
    """
    spans = _odd_spans(sentence, probabilities, taken)
    if not spans:
        return ()
    names = _names_of(bank)
    said = ["".join(token.text.replace("'", "") for token in sentence[a:b]) for a, b in spans]
    sound, spelling = _alike(said, names.letters, names.codes)
    likeness = (spelling + sound) / 2
    is_expected = np.array([concept_id in expected for concept_id in names.concept_ids])
    found = []
    for i, (start, end) in enumerate(spans):
        best = _best_names(likeness[i], names)
        near = [j for j in best[:MAX_NAMES] if likeness[i, j] >= MIN_LIKENESS]
        if is_expected.any():
            awaited = _best_names(np.where(is_expected, likeness[i], 0.0), names)
            near += [j for j in awaited if likeness[i, j] >= MIN_EXPECTED and is_expected[j] and j not in near]
        doubt, oddness = 1 - float(np.mean(probabilities[start:end])), _oddness(sentence[start:end])
        for j in near:
            margin = float(likeness[i, j] - likeness[i, best[0] if j != best[0] else best[1]])
            alike = float(sound[i, j]), float(spelling[i, j])
            name = names.concept_ids[j], names.names[j]
            found.append(Suggestion(start, end, *name, *alike, margin, doubt, oddness, len(names.letters[j])))
    return tuple(found)


def suggest_body_parts(
    sentence: Sequence[Token], probabilities: Sequence[float], taken: Places, bank: ConceptBank
) -> tuple[Suggestion, ...]:
    """Complaints whose part of the body was written as a word that sounds like it: "an air ache", "her left air is sore".

    Arguments as `suggest`.
    """
    parts = [SOUNDS_LIKE_BODY.get(token.text) for token in sentence]
    heard = [replace(token, text=part, stem=stem(part)) if part else token for token, part in zip(sentence, parts, strict=True)]
    if heard == list(sentence):
        return ()
    found, names = [], _names_of(bank)
    for span in find_spans(heard, bank):
        changed = [at for at in range(span.start, span.end) if heard[at] != sentence[at]]
        is_read = any(a < span.end and span.start < b and not span.start <= a < b <= span.end for a, b in taken)
        if not changed or is_read or len(changed) == span.end - span.start:  # the complaint stands elsewhere in a list
            continue
        start, end = changed[0], span.end
        said, name = (" ".join(token.text for token in tokens[start:end]) for tokens in (sentence, heard))
        if end - start > MAX_WORDS or "and" in name.split():  # "fresh air, and the pain"
            continue
        letters = [text.replace(" ", "").replace("'", "") for text in (said, name)]
        sound, spelling = _alike(letters[:1], letters[1:], [_code(letters[1])])
        other = _alike(letters[:1], names.letters, names.codes)
        margin = float(sound[0, 0] + spelling[0, 0] - np.add(*other).max()) / 2
        doubt, oddness = 1 - float(np.mean(probabilities[start:end])), _oddness(sentence[start:end])
        alike = float(sound[0, 0]), float(spelling[0, 0])
        found.append(Suggestion(start, end, span.concept_id, name, *alike, margin, doubt, oddness, len(letters[1]), True))
    return tuple(found)


def _alike(letters: Sequence[str], names: Sequence[str], codes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of each stretch with each name, 0 to 1, by sound and by letters; both (n_stretches, n_names)."""
    sound = cdist([_code(text) for text in letters], codes, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
    scorers = (JaroWinkler.similarity, Levenshtein.normalized_similarity)
    first, second = (cdist(letters, names, scorer=scorer, dtype=np.float32) for scorer in scorers)
    return sound, (first + second) / 2


def _best_names(likeness: np.ndarray, names: _Names) -> list[int]:
    """Indices of the likeliest names, the best first, one for each concept; at least two."""
    best: dict[str, int] = {}
    for j in np.argsort(-likeness, kind="stable")[: MAX_NAMES * MAX_NAMES_OF_ONE]:
        best.setdefault(names.concept_ids[j], int(j))
    return list(best.values())


def _odd_spans(sentence: Sequence[Token], probabilities: Sequence[float], taken: Places) -> list[tuple[int, int]]:
    free = [True] * len(sentence)
    for start, end in taken:
        free[start:end] = [False] * (end - start)
    odd = [frequency(token.text) < COMMON or p < DOUBTED for token, p in zip(sentence, probabilities, strict=True)]
    spans = []
    for start in range(len(sentence)):
        n_letters = 0
        for end in range(start + 1, min(start + MAX_WORDS, len(sentence)) + 1):
            if not free[end - 1] or (end - start > 1 and sentence[end - 2].pause in (".", "?")):
                break
            n_letters += len(sentence[end - 1].text)
            if n_letters > MAX_LETTERS:
                break
            if n_letters >= MIN_LETTERS - 1 and any(odd[start:end]):
                spans.append((start, end))
    return spans


def _oddness(tokens: Sequence[Token]) -> float:
    n_letters = sum(len(token.text) for token in tokens)
    return sum(len(token.text) for token in tokens if frequency(token.text) < COMMON) / n_letters


@cache
def _names_of(bank: ConceptBank) -> _Names:
    rows = [
        (concept.concept_id, name, "".join(phrase_tokens(name)).replace("'", ""))
        for concept in bank.concepts
        if concept.category in CATEGORIES
        for name in (concept.label, *concept.synonyms)
        if name == concept.label or not _is_loose(name, concept)
        if _is_unusual(name) and not (concept.system == "CUSTOM" and " " in name)  # "travel vaccination" is a kind, no name
    ]
    rows = [row for row in rows if MIN_LETTERS <= len(row[2]) <= MAX_LETTERS]
    concept_ids, names, letters = zip(*rows, strict=True)
    return _Names(concept_ids, names, letters, tuple(_code(row[2]) for row in rows))


def _is_loose(name: str, concept: Concept) -> bool:
    """Whether it describes rather than names ("clobbered my head on it"), or is clipped: "atorva" resembles too much else."""
    longer = [other for other in (concept.label, *concept.synonyms) if len(other) > len(name) and other.startswith(name)]
    return any(other[len(name)].isalpha() for other in longer) or len(name.split()) > MAX_NAME_WORDS


def _is_unusual(name: str) -> bool:
    """Whether rare words make up most of it: "acid reflux medicine" is read well, and resembles too much else."""
    words = phrase_tokens(name)
    return 2 * sum(len(word) for word in words if frequency(word) < EVERYDAY) > sum(map(len, words))


@lru_cache(maxsize=100_000)
def _code(letters: str) -> str:
    return jellyfish.metaphone(letters)


def frequency(word: str) -> int:
    """How often the word stands in the dictionary's corpus; 0 if it isn't there. Numbers count as common."""
    return sys.maxsize if word.isdigit() else _dictionary().get(word.split("'")[0], 0)


@cache
def _dictionary() -> dict[str, int]:
    lines = (files("symspellpy") / DICTIONARY).read_text(encoding="utf-8-sig").splitlines()
    return {word: int(count) for word, count in (line.split() for line in lines)}
