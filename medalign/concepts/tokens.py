"""From a transcript to tokens and sentences: the words in the form that every rule of this package compares.

A token is a lower-case word without punctuation; hyphens and apostrophes separate tokens, except in "don't", "you've" and
their like. What stands behind an apostrophe is a token of its own, so that "Parkinson's", "my mood's low", "the pain'll come
back" and a recogniser's "it upset's my stomach" need no special case. Stems join inflections and the two spellings of
English; they are meant for comparison only and never shown.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Generic, TypeVar

from medalign.core.transcript import UNKNOWN_SPEAKER, Transcript

Value = TypeVar("Value")


def words_of(text: str) -> frozenset[str]:
    """A word list, written as a line of text."""
    return frozenset(text.split())


def word_list(name: str) -> frozenset[str]:
    """A longer list, or one of phrases, from `data/word_lists.csv`, where it is called "module.name"."""
    return _word_lists()[name]


def data_rows(name: str) -> list[dict[str, str]]:
    """The rows of a CSV file in `data/`."""
    text = (files("medalign.concepts") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


@cache
def _word_lists() -> dict[str, frozenset[str]]:
    return {row["name"]: frozenset(row["words"].split("|")) for row in data_rows("word_lists.csv")}


ABBREVIATIONS = words_of("dr mr mrs ms st vs mg ml")  # a full stop after these ends no sentence
ENDINGS = words_of("'s 'd 'll 've 're")  # of a noun: they change no wording
_TOKEN = re.compile(
    r"[a-z0-9]*n't\b|(?:i|you|he|she|it|we|they|there|that|this|who|what|where|how)'(?:m|re|ve|ll|d)\b|o'clock|ma'am|"
    r"'(?:s|d|ll|ve|re)\b|[a-z0-9]+"
)
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ`´", "'"))
_PAUSE = re.compile(r"[.?!;,:…-]+[\"')\]]*$")
_BRITISH = tuple(  # diarrhoea, anaemia, oedema, ...
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        ("oea", "ea"), ("aem", "em"), ("^oed", "ed"), ("^oes", "es"), ("^coel", "cel"), ("^(f)aec", r"\1ec"), ("^paed", "ped"),
        ("^gynae", "gyne"), ("sulph", "sulf"), ("(tum|col|od|lab|behavi|vap)our", r"\1or"),
        ("(paraly)s(e|ed|ing)$", r"\1z\2"), ("(moistur|immun|vaporis|hospital)is", r"\1iz"),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """One comparable word. `pause` is the punctuation after it: "" (none), "," (also colon and dash), "." or "?"."""

    text: str
    stem: str
    word: int  # index into `Transcript.words`
    segment: int
    start_s: float
    end_s: float
    pause: str


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """The part of a word that its inflections share: "coughing" and "coughs" give "cough", "anaemia" gives "anemia"."""
    for pattern, replacement in _BRITISH:
        word = pattern.sub(replacement, word)
    if len(word) <= 3 or not word.isalpha():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is", "as")):
        word = word[:-1]
    for suffix in ("ing", "ed"):
        root = word[: -len(suffix)]
        if word.endswith(suffix) and len(root) >= 3 and re.search("[aeiouy]", root) and not word.endswith("eed"):
            word = root[:-1] if root[-1] == root[-2] and root[-1] not in "lszeo" else root  # "weeing" is not "we"
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


@lru_cache(maxsize=200_000)
def split_word(text: str) -> tuple[tuple[str, ...], str]:
    """One transcript word as its token texts and the pause after it."""
    lowered = text.lower().translate(_APOSTROPHES)
    parts = tuple(_TOKEN.findall(lowered))
    end = _PAUSE.search(lowered)
    if not end:
        return parts, ""
    marks = end.group()
    if "?" in marks:
        return parts, "?"
    is_stop = "!" in marks or ";" in marks or "…" in marks or ("." in marks and (not parts or parts[-1] not in ABBREVIATIONS))
    return parts, "." if is_stop else ("," if "," in marks or ":" in marks or "-" in marks else "")


def phrase_tokens(phrase: str) -> list[str]:
    """The token texts of a phrase of the bank or of the trigger list."""
    return [part for word in phrase.split() for part in split_word(word)[0]]


def sentences(transcript: Transcript) -> list[list[Token]]:
    """The transcript's tokens, one list a sentence, in order.

    A sentence ends with its punctuation and with its segment, unless the next segment goes on in lower case and no
    other speaker begins: recognisers cut long sentences into several segments.
    """
    found: list[list[Token]] = []
    current: list[Token] = []
    position = 0
    for index, segment in enumerate(transcript.segments):
        before = transcript.segments[index - 1] if index else segment
        same_speaker = before.speaker == segment.speaker or UNKNOWN_SPEAKER in (before.speaker, segment.speaker)
        if current and not (same_speaker and segment.text.lstrip()[:1].islower()):
            found.append(current)
            current = []
        for word in segment.words:
            parts, pause = split_word(word.text)
            if not parts and pause and current:  # a lone punctuation mark, as in "fever ."
                current[-1] = replace(current[-1], pause=pause)
            for part in parts:
                mark = pause if part is parts[-1] else ""
                current.append(Token(part, stem(part), position, index, word.start_s, word.end_s, mark))
            if current and pause in (".", "?"):
                found.append(current)
                current = []
            position += 1
    return [*found, current] if current else found


class PhraseTree(Generic[Value]):
    """Phrases by their tokens, with a value each: one dictionary step a token finds every phrase that starts here."""

    VALUE = ""  # a key that no token can have

    def __init__(self, phrases: Mapping[tuple[str, ...], Value] | None = None) -> None:
        self.root: dict = {}
        for keys, value in (phrases or {}).items():
            self.add(keys, value)

    def add(self, keys: Sequence[str], value: Value) -> None:
        node = self.root
        for key in keys:
            node = node.setdefault(key, {})
        node.setdefault(self.VALUE, value)  # the first phrase added keeps its place

    def longest(self, texts: list[str], start: int, limit: int | None = None) -> tuple[int, Value] | None:
        """End (exclusive) and value of the longest phrase from `start` on, before `limit`; None if there is none."""
        node, best = self.root, None
        for end in range(start, len(texts) if limit is None else limit):
            if texts[end] not in node:
                break
            node = node[texts[end]]
            if self.VALUE in node:
                best = (end + 1, node[self.VALUE])
        return best
