"""The concept bank: what MedAlign can find, under which code, and in which words people say it.

The bank is a committed data file that `tests/make_bank.py` makes from open ontologies; reading it needs
none of them.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import product
from typing import Literal, get_args

from medalign.concepts.tokens import PhraseTree, data_rows, phrase_tokens, stem, word_list, words_of
from medalign.core.analysis import System
from medalign.core.errors import DataError

BANK_FILE = "bank.json"
ALLERGY_CODES = ("ICD10CM:Z88", "ICD10CM:Z91.0", "HP:0012393")
BLOCKED = ""  # in place of a concept id

GAP = "..."  # in a pattern: up to a few words of any kind, see `mentions`

Category = Literal["finding", "diagnosis", "medicine", "procedure", "measurement", "habit"]
CATEGORIES: tuple[Category, ...] = get_args(Category)

FILLERS = words_of("um uh er erm ah hmm hm mm eh like")
# Words that may stand inside a phrase without changing it: "blood in (my) stool", "lost (a bit of) weight".
SKIPPABLE = FILLERS | word_list("bank.skippable")


@dataclass(frozen=True)
class Concept:
    """One thing that a clinician would write down."""

    concept_id: str  # "HP:0002014", "ICD10CM:J45.909", "DRUG:salbutamol", "CUSTOM:alcohol-use"
    system: System
    code: str
    label: str  # lower-case words as a GP would say them
    category: Category
    synonyms: tuple[str, ...] = ()  # without the label
    as_written: frozenset[str] = frozenset()  # those that must not be inflected: "the runs" is not "the run"
    places: tuple[str, ...] = ()  # complaint at a body part, in either order: "pain@knee"
    # Wordings with a gap ("hold ... down") or with a word class ("stings when I <pee>").
    patterns: tuple[str, ...] = ()
    broader: tuple[str, ...] = ()  # ids of concepts that say the same less exactly: of low back pain, back pain


OF_A_PART = frozenset(stem(word) for word in ("joint", "area", "region", "muscle", "bone"))


class ConceptBank:
    """All concepts, found by id and by the words that mean them."""

    def __init__(self, concepts: Iterable[Concept], blocked: Iterable[str] = (), sources: dict[str, str] | None = None) -> None:
        """`blocked` phrases contain a concept's words but mean something else ("nervous system")."""
        self.concepts = tuple(concepts)
        self.blocked = tuple(blocked)
        self.sources = sources or {}  # ontology -> version
        self._by_id = {concept.concept_id: concept for concept in self.concepts}

    @classmethod
    @cache
    def default(cls) -> "ConceptBank":
        """The committed bank, read once."""
        body = json.loads((files("medalign.concepts") / "data" / BANK_FILE).read_text(encoding="utf-8"))
        absent: dict = {"as_written": (), "places": (), "patterns": (), "broader": ()}
        concepts = [
            Concept(
                entry["id"], entry["system"], entry["code"], entry["label"], entry["category"], tuple(entry["synonyms"]),
                frozenset(entry["as_written"]), tuple(entry["places"]), tuple(entry["patterns"]), tuple(entry["broader"]),
            )
            for entry in [{**absent, **entry} for entry in body["concepts"]]
        ]  # fmt: skip
        return cls(concepts, body["blocked"], body["sources"])

    def __getitem__(self, concept_id: str) -> Concept:
        try:
            return self._by_id[concept_id]
        except KeyError:
            raise DataError(f"concept {concept_id!r} is not in the bank of {len(self)}; list them with bank.concepts") from None

    def __contains__(self, concept_id: object) -> bool:
        return concept_id in self._by_id

    def __len__(self) -> int:
        return len(self.concepts)

    @cached_property
    def column(self) -> dict[str, int]:
        """Concept id -> its place in `concepts`, and so in every array with a column per concept."""
        return {concept.concept_id: i for i, concept in enumerate(self.concepts)}

    @cached_property
    def digest(self) -> str:
        """A hash of all that it says."""
        said = [asdict(concept) | {"as_written": sorted(concept.as_written)} for concept in self.concepts]
        return hashlib.sha256(json.dumps([said, self.blocked]).encode()).hexdigest()

    @cached_property
    def phrases(self) -> PhraseTree[str]:
        """Phrase -> concept id, or BLOCKED. Keys are stems, or "=word" if not to be inflected."""
        tree = PhraseTree[str]()
        for phrase in self.blocked:
            for keys in pattern_keys(phrase) if is_pattern(phrase) else (phrase_keys(phrase, as_written=True),):
                tree.add(keys, BLOCKED)
        for concept in self.concepts:
            for phrase in (concept.label, *concept.synonyms):
                tree.add(phrase_keys(phrase, phrase in concept.as_written), concept.concept_id)
            for pattern in concept.patterns:
                for keys in pattern_keys(pattern):
                    tree.add(keys, concept.concept_id)
        return tree

    @cached_property
    def medicine_words(self) -> frozenset[str]:
        """Names of medicines that are a single word."""
        names = (name for c in self.concepts if c.system == "DRUG" for name in (c.label, *c.synonyms))
        return frozenset(name.lower() for name in names if " " not in name)

    @cached_property
    def places(self) -> PhraseTree[dict[str, str]]:
        """Body part -> {complaint: concept id}, by stems.

        A part that is named exactly has the complaints of the part that it belongs to, too: what can be wrong with a
        finger, can be wrong with the middle finger and with the finger joints.
        """
        by_place: dict[tuple[str, ...], dict[str, str]] = {}
        for concept in self.concepts:
            for pattern in concept.places:
                complaint, _, place = pattern.partition("@")
                key = tuple(stem(text) for text in phrase_tokens(place))
                by_place.setdefault(key, {})[complaint] = concept.concept_id
        for key in sorted(by_place, key=len):
            for size in range(len(key) - 1, 0, -1):
                for shorter in (key[:size] if key[-1] in OF_A_PART else (), key[-size:]):
                    by_place[key] = by_place.get(shorter, {}) | by_place[key]
        return PhraseTree(by_place)


def is_allergy(concept_id: str, label: str) -> bool:
    """Whether a concept is an allergy: one of those that ICD-10-CM or HPO code as such, or one that is called so."""
    return concept_id.startswith(ALLERGY_CODES) or label.endswith(" allergy")


def phrase_keys(phrase: str, as_written: bool) -> list[str]:
    """The path of a phrase in the tree. Inner skippable words are left out, because the walk skips them in the text."""
    texts = phrase_tokens(phrase)
    if as_written:
        return ["=" + text for text in texts]
    return [stem(text) for at, text in enumerate(texts) if at in (0, len(texts) - 1) or text not in SKIPPABLE]


def is_pattern(phrase: str) -> bool:
    return GAP in phrase or "<" in phrase


def pattern_keys(pattern: str) -> list[list[str]]:
    """The paths of a pattern in the tree: one for each choice of words for its classes, with `GAP` where it has a gap."""
    parts = [word_classes()[part[1:-1]] if part.startswith("<") else (part,) for part in pattern.split()]
    paths = []
    for chosen in product(*parts):
        pieces = [piece.strip() for piece in " ".join(chosen).split(GAP)]
        keys = [phrase_keys(piece, as_written=False) for piece in pieces]
        paths.append([key for i, piece in enumerate(keys) for key in ([GAP] if i else []) + piece])
    return paths


@cache
def word_classes() -> dict[str, tuple[str, ...]]:
    """Words that stand for each other in patterns, by the name of their class."""
    return {row["name"]: tuple(row["words"].split("|")) for row in data_rows("word_classes.csv")}
