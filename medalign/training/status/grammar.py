"""Mentions with their status, made by a grammar: constructions of English with slots, filled at random.

`templates.txt` has the constructions and explains its marks, `fillers.txt` what the slots may hold; the bank's own names
join them. Each example is then written as conversations come: with and without punctuation, question marks, or speakers,
turns run together, words hesitated over or lost, other talk before and after.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from medalign.concepts import ConceptBank
from medalign.concepts.tokens import words_of
from medalign.core.transcript import DOCTOR, PATIENT, UNKNOWN_SPEAKER
from medalign.models.status_classifier import MentionContext

STATUS_OF = {"p": "present", "n": "negated", "r": "resolved", "h": "historical", "u": "uncertain", "y": "hypothetical"}
CATEGORY_OF = {  # slots that the bank's names may fill
    "s": "finding", "d": "diagnosis", "e": "diagnosis", "m": "medicine", "p": "procedure", "w": "habit", "k": "measurement"
}  # fmt: skip
BANK_SHARE = 0.3
ARTICLE = re.compile(r"(a|an|the) ", re.IGNORECASE)
SLOT = re.compile(r"\{([a-z]+)(\d?)(?::([pnrhuy])(@?)(?:\.([a-z_]+))?)?\}")
ANSWER = re.compile(r"\W*(um|uh|er|oh|well|okay|so)?\W*(yes|yeah|yep|no|nope|nah|not|never|i do|i have|i am|a bit)\b")
CHOICE = re.compile(r"\[([^\[\]]*)\]")
LOST = words_of("a the of and to my is it so just really that this well okay")  # what recognisers lose at little cost


@dataclass(frozen=True)
class Example:
    """A mention to learn from."""

    context: MentionContext
    status: str  # one of STATUSES; anything else is no fact: general talk, or another thing than the concept
    is_other: bool  # another person's
    action: str  # of a medicine; empty if not known, or no medicine


@dataclass(frozen=True)
class _Mention:
    start: int
    end: int
    status: str
    is_other: bool
    action: str  # of a medicine; empty if not known, or no medicine


@dataclass(frozen=True)
class _Talk:
    """A conversation while it is made."""

    words: list[str]
    breaks: set[int]  # where segments begin
    mentions: list[_Mention]
    speakers: list[str]  # of each segment; once it is written as heard, of each word

    def examples(self) -> list[Example]:
        words, speakers, breaks = tuple(self.words), tuple(self.speakers), frozenset(self.breaks)
        contexts = [MentionContext(words, speakers, breaks, m.start, m.end) for m in self.mentions]
        return [Example(context, m.status, m.is_other, m.action) for context, m in zip(contexts, self.mentions, strict=True)]


class Grammar:
    """Draws examples; the same seed draws the same."""

    def __init__(self, bank: ConceptBank, talk: Sequence[tuple[str, str]] = ()):
        """
        Args:
            talk: (speaker, text) of other conversations, in order, to stand before and after what is drawn.
        """
        self.templates = read_templates()
        self.fillers = _read_fillers()
        self.talk = talk
        self._misheard = dict(pair.split(">") for pair in self.fillers["misheard"])
        self._names: dict[str, list[str]] = {}
        for concept in bank.concepts:
            self._names.setdefault(concept.category, []).append(concept.label)

    def examples(self, n: int, rng: random.Random) -> list[Example]:
        """Examples from all constructions in turn."""
        found: list[Example] = []
        while len(found) < n:
            for kind, template in rng.sample(self.templates, len(self.templates)):
                found += self.draw(kind, template, rng)
        return found[:n]

    def draw(self, kind: str, template: str, rng: random.Random) -> list[Example]:
        """One conversation of a construction: an example for each of its mentions."""
        text = template
        while CHOICE.search(text):
            text = CHOICE.sub(lambda found: rng.choice(found[1].split("|")), text)
        talk = self._as_heard(self._fill(text, rng), rng)
        if len(talk.breaks) > 1 and rng.random() < 0.1:  # a recogniser that wrote all of it as one segment
            speaker = rng.choice([talk.speakers[0], UNKNOWN_SPEAKER])
            talk = replace(talk, breaks={0}, speakers=[speaker] * len(talk.words))
        return (self._amid_talk(talk, kind, rng) if self.talk else talk).examples()

    def as_heard(self, example: Example, rng: random.Random) -> Example:
        """The same mention as a recogniser might have written it, often without knowing who speaks."""
        p = example.context
        breaks = set(p.breaks | {0})
        mention = _Mention(p.start, p.end, example.status, example.is_other, example.action)
        talk = _Talk(list(p.words), breaks, [mention], [p.speakers[at] for at in sorted(breaks)])
        (heard,) = self._as_heard(talk, rng).examples()
        return heard

    def _fill(self, text: str, rng: random.Random) -> _Talk:
        words: list[str] = []
        speakers: list[str] = []
        breaks: set[int] = set()
        mentions: list[_Mention] = []
        same: dict[str, str] = {}
        used: set[str] = set()
        for turn in text.split(" / "):
            tag = re.match(r"([DP]): ", turn)
            speakers.append({"D": DOCTOR, "P": PATIENT}[tag[1]] if tag else rng.choice([DOCTOR, PATIENT, UNKNOWN_SPEAKER]))
            breaks.add(len(words))
            rest = turn[tag.end() :] if tag else turn
            at = 0
            for slot in SLOT.finditer(rest):
                _append(words, rest[at : slot.start()], at > 0)
                glued = slot.start() > 0 and not rest[slot.start() - 1].isspace()
                filler = same.get(slot[1] + slot[2]) or self._filler(slot[1], used, rng)
                used.add(filler)
                if slot[2]:
                    same[slot[1] + slot[2]] = filler
                n_before = len(words) - glued
                _append(words, filler, glued)
                if slot[3]:
                    n_article = bool(ARTICLE.match(filler))
                    mentions.append(
                        _Mention(n_before + n_article, len(words), STATUS_OF[slot[3]], bool(slot[4]), slot[5] or "")
                    )
                at = slot.end()
            _append(words, rest[at:], at > 0)
        return _Talk(words, breaks, mentions, speakers)

    def _filler(self, name: str, used: set[str], rng: random.Random) -> str:
        while True:
            category = CATEGORY_OF.get(name)
            pool = self._names[category] if category in self._names and rng.random() < BANK_SHARE else self.fillers[name]
            filler = rng.choice(pool)
            while SLOT.search(filler):
                filler = SLOT.sub(lambda slot: rng.choice(self.fillers[slot[1]]), filler)
            if filler not in used or len(self.fillers[name]) < 6:
                return filler

    def _as_heard(self, talk: _Talk, rng: random.Random) -> _Talk:
        """Punctuation kept, lost or wrong; words hesitated over, repeated, lost or misheard, none of a mention's."""
        style, noise = rng.random(), rng.choice([0.03, 0.1]) if rng.random() < 0.4 else 0.0
        inside = {at for m in talk.mentions for at in range(m.start, m.end)}
        kept: list[str] = []
        place: list[int] = []  # of each word as it was, the new one
        for at, word in enumerate(talk.words):
            place.append(len(kept))
            if style < 0.3:
                word = re.sub(r"[.,?!;:]+$", "", word).lower() or word
            elif style < 0.4:
                word = re.sub(r"\?$", ".", word)
            elif style < 0.45:
                word = re.sub(r",$", "", word)
            if at not in inside:
                if rng.random() < noise:
                    kept += rng.choice(self.fillers["hesitation"]).split()
                plain = word.lower()
                if rng.random() < noise and plain in LOST and at not in talk.breaks:
                    continue
                if rng.random() < noise and plain in self._misheard:
                    word = self._misheard[plain]
                elif rng.random() < noise / 2:  # "any, any rash"
                    kept.append(word.rstrip(".,?!") + rng.choice(["", ","]))
            kept.append(word)
        place.append(len(kept))
        # A hesitation before a mention must not become a part of it.
        moved = [replace(m, start=place[m.start], end=place[m.start] + m.end - m.start) for m in talk.mentions]
        breaks = {place[at] for at in talk.breaks}
        return _Talk(kept, breaks, moved, _speakers(len(kept), breaks, talk.speakers, rng))

    def _amid_talk(self, talk: _Talk, kind: str, rng: random.Random) -> _Talk:
        before = [turn for turn in self._turns(rng) if "?" not in turn[1]] if rng.random() < 0.4 else []
        may_answer = rng.random() < 0.4 and "unanswered" not in kind
        after = [turn for turn in self._turns(rng) if not ANSWER.match(turn[1].lower())] if may_answer else []
        words, speakers, breaks, mentions = talk.words, talk.speakers, talk.breaks, talk.mentions
        for speaker, said in reversed(before):
            piece = said.split()[-14:]
            shift = len(piece)
            words, speakers = [*piece, *words], [speaker] * shift + speakers
            breaks = {0} | {at + shift for at in breaks}
            mentions = [replace(m, start=m.start + shift, end=m.end + shift) for m in mentions]
        for speaker, said in after:
            piece = said.split()[:14]
            breaks = breaks | {len(words)}
            words, speakers = [*words, *piece], speakers + [speaker] * len(piece)
        return _Talk(words, breaks, mentions, speakers)

    def _turns(self, rng: random.Random) -> Sequence[tuple[str, str]]:
        """One or two turns of other talk."""
        at = rng.randrange(len(self.talk) - 2)
        return self.talk[at : at + rng.choice([1, 2])]


def read_templates() -> list[tuple[str, str]]:
    """(kind, template) of every construction."""
    kind, found = "", []
    for line in _lines("templates.txt"):
        if line.startswith("## "):
            kind = line[3:]
        elif not line.startswith("#"):
            found.append((kind, line))
    return found


def _read_fillers() -> dict[str, list[str]]:
    rows = (line.split(":", 1) for line in _lines("fillers.txt") if not line.startswith("#"))
    return {name: [part.strip() for part in rest.split(" | ")] for name, rest in rows}


def _lines(name: str) -> list[str]:
    text = (files("medalign.training.status") / name).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _append(words: list[str], text: str, may_glue: bool) -> None:
    """The words of a text; punctuation and endings without a blank before them belong to the last word."""
    parts = text.split()
    if may_glue and parts and words and not text[0].isspace():
        words[-1] += parts.pop(0)
    words += parts


def _speakers(n_words: int, breaks: set[int], by_segment: list[str], rng: random.Random) -> list[str]:
    """The speaker of each word; often nobody knows."""
    style = rng.random()
    names = [UNKNOWN_SPEAKER if style < 0.25 or (style < 0.4 and rng.random() < 0.5) else name for name in by_segment]
    edges = [*sorted(breaks), n_words]
    return [name for name, a, b in zip(names, edges, edges[1:], strict=False) for _ in range(b - a)]
