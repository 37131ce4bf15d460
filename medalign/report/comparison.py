"""Two models on one recording: where their concepts and their words differ, and who stands on the left in a blind trial.

Both analyses are there already; nothing here loads a model. What counts as a difference is what a reader would see: another
status, another source, odds at least two tenths apart as displayed, another word. Case and punctuation are no difference.
"""

import logging
import random
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Literal

from rapidfuzz.distance import LCSseq

from medalign.core.analysis import Analysis, ConceptFinding
from medalign.core.errors import MedAlignError
from medalign.core.model_options import ModelOptions
from medalign.core.transcript import Word
from medalign.core.wording import tenths

log = logging.getLogger(__name__)

Side = Literal["a", "b"]
Kind = Literal["same", "only_a", "only_b", "status", "source", "certainty"]
# What weighs most comes first; the two kinds of "only" weigh the same.
WEIGHT: dict[Kind, int] = {"status": 0, "only_a": 1, "only_b": 1, "source": 2, "certainty": 3, "same": 4}
CERTAINTY_TENTHS = 2
SHIPPED = ModelOptions()
SAME_RECORDING_S = 0.1  # decoders differ by less
# Marks around a word; a sign or a point before a digit belongs to the number, and so does a percent sign behind it.
_AROUND = re.compile(r"^(?:[^\w.+-]|[.+-](?!\d))+|[^\w%]+$")


@dataclass(frozen=True)
class ConceptDifference:
    """One concept with one status, or with two where the models disagree on it; None where a model lacks the row."""

    concept_id: str
    label: str
    kind: Kind
    a: ConceptFinding | None
    b: ConceptFinding | None


@dataclass(frozen=True)
class WordStretch:
    """A run of words that both wrote, or that they wrote differently; a text is empty where a model wrote nothing."""

    a: str
    b: str
    start_s: float  # never before that of the stretch before
    end_s: float
    same: bool


@dataclass(frozen=True)
class Comparison:
    """Two analyses of one recording, side by side."""

    concepts: tuple[ConceptDifference, ...]  # differences first, the weightiest on top
    stretches: tuple[WordStretch, ...]  # in order of time; together they are both transcripts
    n_words_differing: int  # of each differing stretch, the longer side
    are_equal: bool  # no concept and no word differs: a vote between them could only be a tie


def compare(a: Analysis, b: Analysis) -> Comparison:
    """What differs between two analyses of one recording. Swapping them swaps the sides and changes nothing else.

    Raises:
        MedAlignError: they are of different recordings, by name or by length.
    """
    first, second = a.recording, b.recording
    if first.name != second.name or abs(first.duration_s - second.duration_s) > SAME_RECORDING_S:
        raise MedAlignError(
            f"'{first.name}' ({first.duration_s:.1f} s) and '{second.name}' ({second.duration_s:.1f} s) are different "
            "recordings; compare two analyses of the same one"
        )
    concepts = compare_concepts(a.concepts, b.concepts)
    stretches, n_differing = _compare_words(a.transcript.words, b.transcript.words)
    are_equal = n_differing == 0 and all(row.kind == "same" for row in concepts)
    return Comparison(concepts, stretches, n_differing, are_equal)


def compare_concepts(a: Sequence[ConceptFinding], b: Sequence[ConceptFinding]) -> tuple[ConceptDifference, ...]:
    """One row per concept and status in either; a concept whose status differs is one row, not two."""
    at_a, at_b = _by_concept(a), _by_concept(b)
    rows = []
    for concept_id in {**at_a, **at_b}:
        rows += _rows(at_a.get(concept_id, {}), at_b.get(concept_id, {}))
    # By the better place that either analysis gives it: theirs is the order of importance.
    places: dict[tuple, int] = {}
    for findings in (a, b):
        for place, row in enumerate(findings):
            key = (row.concept_id, row.status)
            places[key] = min(place, places.get(key, place))

    def order(row: ConceptDifference) -> tuple:
        sides = [side for side in (row.a, row.b) if side]
        return WEIGHT[row.kind], min(places[side.concept_id, side.status] for side in sides), row.label, row.concept_id

    return tuple(sorted(rows, key=order))


def _by_concept(findings: Sequence[ConceptFinding]) -> dict[str, dict[str | None, ConceptFinding]]:
    found: dict[str, dict[str | None, ConceptFinding]] = {}
    for row in findings:
        found.setdefault(row.concept_id, {})[row.status] = row
    return found


def _rows(a: dict[str | None, ConceptFinding], b: dict[str | None, ConceptFinding]) -> list[ConceptDifference]:
    """The rows of one concept: equal statuses meet first, what is left over meets in order of the analyses."""
    shared = [status for status in a if status in b]
    left, right = ([row for status, row in side.items() if status not in shared] for side in (a, b))
    pairs = [*((a[status], b[status]) for status in shared), *zip_longest(left, right)]
    return [
        ConceptDifference(named.concept_id, named.label, _kind(mine, theirs), mine, theirs)
        for mine, theirs in pairs
        if (named := mine or theirs)
    ]


def _kind(a: ConceptFinding | None, b: ConceptFinding | None) -> Kind:
    if a is None or b is None:
        return "only_b" if a is None else "only_a"
    if a.status != b.status:
        return "status"
    if a.agreement != b.agreement:
        return "source"
    odds = zip(_odds(a), _odds(b), strict=True)
    far = any(abs(tenths(p) - tenths(q)) >= CERTAINTY_TENTHS for p, q in odds if p is not None and q is not None)
    return "certainty" if far else "same"


def _odds(row: ConceptFinding) -> tuple[float | None, ...]:
    return row.probability, *(source.probability if source else None for source in (row.teacher, row.student))


@dataclass(frozen=True)
class _Token:
    """A word in the form that is compared, with the words (lone punctuation) that hang on it."""

    key: str
    text: str
    start_s: float
    end_s: float


def _compare_words(a: Sequence[Word], b: Sequence[Word]) -> tuple[tuple[WordStretch, ...], int]:
    """The stretches of both transcripts, and how many words differ.

    Longest common subsequence, bit-parallel (Hyyrö 2004, as rapidfuzz has it): an hour of speech takes milliseconds.
    """
    mine, theirs = _tokens(a), _tokens(b)
    keys, other_keys = ([token.key for token in side] for side in (mine, theirs))
    # Of several longest subsequences the one that is found depends on the order, so the order is fixed.
    swapped = other_keys < keys
    codes = LCSseq.opcodes(other_keys, keys).inverse() if swapped else LCSseq.opcodes(keys, other_keys)
    stretches, n_differing, reached_s = [], 0, 0.0
    for same, group in groupby(codes, key=lambda code: code.tag == "equal"):  # neighbouring differences are one
        run = list(group)
        left, right = mine[run[0].src_start : run[-1].src_end], theirs[run[0].dest_start : run[-1].dest_end]
        reached_s = max(reached_s, min(token.start_s for token in (*left, *right)))
        end_s = max(reached_s, max(token.end_s for token in (*left, *right)))
        text, other_text = (" ".join(token.text for token in side) for side in (left, right))
        stretches.append(WordStretch(text, other_text, reached_s, end_s, same))
        n_differing += 0 if same else max(len(left), len(right))
    return tuple(stretches), n_differing


def _tokens(words: Sequence[Word]) -> list[_Token]:
    tokens: list[_Token] = []
    for word in words:
        key = _AROUND.sub("", word.text).casefold().replace("’", "'")
        if tokens and not (key and tokens[-1].key):
            last = tokens.pop()
            text, end_s = f"{last.text} {word.text}", max(last.end_s, word.end_s)
            tokens.append(_Token(last.key or key, text, last.start_s, end_s))
        else:
            tokens.append(_Token(key, word.text, word.start_s, word.end_s))
    return tokens


@dataclass(frozen=True)
class BlindOrder:
    """Which of the two stands on the left, drawn by lot; stored with the vote, so that a bias for a side can be found."""

    left: Side
    seed: int

    @classmethod
    def draw(cls, seed: int | None = None) -> "BlindOrder":
        """By a fresh lot, or by a given seed once more. Logged with its seed, without names."""
        seed = secrets.randbits(32) if seed is None else seed
        order = cls("a" if random.Random(seed).random() < 0.5 else "b", seed)
        log.info("blind order: '%s' on the left, seed %d", order.left, seed)
        return order

    @property
    def right(self) -> Side:
        return "b" if self.left == "a" else "a"


@dataclass(frozen=True)
class Candidate:
    """The models of one side, by the names that `Analyzer.default` takes."""

    name: str  # what the page shows once the vote is cast
    asr: str = SHIPPED.asr
    teacher: str = SHIPPED.teacher
    student: str = SHIPPED.student


ROLES = ("asr", "teacher", "student")
UNALIGNED = "unaligned"  # the student's encoder before its alignment
MAX_SPECIFICATION = 500  # characters


def candidates(in_use: ModelOptions = SHIPPED) -> tuple[Candidate, ...]:
    """The ones that need no further file of the user's, all different; the first is what MedAlign uses everywhere else."""
    models = {role: getattr(in_use, role) for role in ROLES}
    is_shipped = models == {role: getattr(SHIPPED, role) for role in ROLES}
    name = "shipped" if is_shipped else "in use"
    asr = "base" if in_use.asr != "base" else SHIPPED.asr
    listed = (
        Candidate(f"{name} ({_shown(in_use.asr)})", **models),
        Candidate(f"{name} with {asr}", **{**models, "asr": asr}),
        Candidate("unaligned encoder", **{**models, "student": UNALIGNED}),
    )
    return listed if in_use.student != UNALIGNED else listed[:2]


def second(of: Sequence[Candidate]) -> Candidate:
    """What the first is compared with unless somebody chooses: its encoder without the alignment, which is what a vote is to
    judge; where the first is that itself, one that writes other words."""
    return next((candidate for candidate in of[1:] if candidate.student == UNALIGNED), of[-1])


def parse_candidate(specification: str, in_use: ModelOptions = SHIPPED) -> Candidate:
    """A candidate by its name, or by models that differ from those in use: `asr=base,student=runs/first`.

    Raises:
        MedAlignError: neither a known name nor such pairs. Whether the models exist is found out when they are loaded.
    """
    text = specification.strip()
    known = {candidate.name: candidate for candidate in candidates(in_use)}
    if text in known:
        return known[text]
    expected = f"give {', '.join(repr(name) for name in known)}, or models such as 'asr=base,student=FOLDER'"
    if not text or len(text) > MAX_SPECIFICATION:
        raise MedAlignError(f"a candidate of {len(text)} characters can't be read; {expected}")
    models: dict[str, str] = {}
    for pair in text.split(","):
        role, equals, model = (part.strip() for part in pair.partition("="))
        if not equals or role not in ROLES or not model or role in models:
            raise MedAlignError(f"'{pair.strip()}' is no candidate, and sets none of {', '.join(ROLES)} once; {expected}")
        models[role] = model
    name = ", ".join(f"{role} {_shown(models[role])}" for role in ROLES if role in models)
    return Candidate(name, **{role: models.get(role, getattr(in_use, role)) for role in ROLES})


def _shown(model: str) -> str:
    """A name or Hub name as it is, of a path the last part: where somebody keeps their folders is nobody's business."""
    parts = re.split(r"[\\/]+", model.rstrip("\\/"))
    return model if len(parts) <= 2 and parts[0] not in ("", ".", "..", "~") else parts[-1]
