"""A user's own concepts: from a CSV file or from lines typed into the page, checked together, then scored like the bank's.

Both sources need nothing but words: in the transcript the phrases are looked for, audio is compared with their embedding. So
a concept that nobody trained for counts at once.
"""

import gzip
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from medalign.concepts.bank import CATEGORIES, Category, Concept, ConceptBank, phrase_keys
from medalign.core.analysis import System
from medalign.core.errors import DataError
from medalign.core.tables import numbered_rows

CODES_FILE = "codes.txt.gz"
MAX_CONCEPTS = 1000  # embedding them takes a laptop some ten seconds
MAX_LABEL = 80  # characters; nobody says a longer one in one breath
MAX_TOLD = 10  # problems listed at once
DEFAULT_CATEGORY: Category = "finding"


def read_concepts(path: Path, bank: ConceptBank) -> tuple[Concept, ...]:
    """Concepts of a CSV file with the column `label` and, if wanted, `synonyms` (separated by |), `code` and `category`.

    Raises:
        DataError: the file can't be read, or rows can't be used; all of them are listed by line.
    """
    rows = numbered_rows(path, ["label"], remedy="save it as CSV in UTF-8 whose first line is label,synonyms,code,category")
    return _checked([(f"line {line}", row) for line, row in rows], bank)


def parse_concepts(text: str, bank: ConceptBank) -> tuple[Concept, ...]:
    """Concepts typed one a line: a label, then synonyms, separated by semicolons. Empty lines are skipped.

    Raises:
        DataError: lines can't be used; all of them are listed.
    """
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        label, _, synonyms = line.partition(";")
        if line.strip():
            rows.append((f"line {number}", {"label": label, "synonyms": synonyms.replace(";", "|")}))
    return _checked(rows, bank)


def extended(bank: ConceptBank, concepts: Sequence[Concept]) -> ConceptBank:
    """The bank with concepts added behind its own, whose columns stay where they are."""
    return ConceptBank((*bank.concepts, *concepts), bank.blocked, bank.sources)


def _checked(rows: Sequence[tuple[str, Mapping[str, str | None]]], bank: ConceptBank) -> tuple[Concept, ...]:
    if not rows:
        raise DataError("there is no concept; write one a line, a label and then its synonyms")
    if len(rows) > MAX_CONCEPTS:
        raise DataError(f"{len(rows)} concepts are more than {MAX_CONCEPTS}, the most that can be scored while somebody waits")
    owners = {
        tuple(phrase_keys(phrase, phrase in concept.as_written)): f"the bank's '{concept.label}'"
        for concept in bank.concepts
        for phrase in (concept.label, *concept.synonyms)
    }
    taken_ids = {concept.concept_id: f"the bank's '{concept.label}'" for concept in bank.concepts}
    concepts, problems = [], []
    for where, row in rows:
        try:
            concept = _concept(row)
            for phrase in (concept.label, *concept.synonyms):
                _claim(owners, phrase, where)
            if owner := taken_ids.get(concept.concept_id):
                raise DataError(f"code {concept.code} is that of {owner}")
        except DataError as error:
            problems.append(f"{where}: {error}")
            continue
        taken_ids[concept.concept_id] = where
        concepts.append(concept)
    if problems:
        rest = f"; and {len(problems) - MAX_TOLD} more" if len(problems) > MAX_TOLD else ""
        raise DataError(f"{len(problems)} concept(s) can't be used: " + "; ".join(problems[:MAX_TOLD]) + rest)
    return tuple(concepts)


def _concept(row: Mapping[str, str | None]) -> Concept:
    """One row, checked by itself."""
    label, code, category = (_tidy(row.get(name)) for name in ("label", "code", "category"))
    synonyms = [tidy for part in (row.get("synonyms") or "").split("|") if (tidy := _tidy(part))]
    if not label:
        raise DataError("the label is empty")
    for phrase in (label, *synonyms):
        if len(phrase) > MAX_LABEL:
            raise DataError(f"'{phrase[:30]}...' has {len(phrase)} characters, at most {MAX_LABEL} are allowed")
        if not phrase_keys(phrase, as_written=True):
            raise DataError(f"'{phrase}' has no word in Latin letters that could be looked for")
    known: dict[str, Category] = {name: name for name in CATEGORIES}
    if category and category not in known:
        raise DataError(f"category '{category:.40}' is none of {', '.join(CATEGORIES)}")
    if code:
        system, concept_id = _coded(code)
    else:
        system, concept_id = "CUSTOM", "CUSTOM:" + re.sub("[^a-z0-9]+", "-", label.lower()).strip("-")
    return Concept(
        concept_id=concept_id,
        system=system,
        code=concept_id.partition(":")[2] if system != "HPO" else concept_id,
        label=label,
        category=known.get(category, DEFAULT_CATEGORY),
        synonyms=tuple(dict.fromkeys(s for s in synonyms if s.lower() != label.lower())),
    )


def _coded(code: str) -> tuple[System, str]:
    """System and concept id of a code, which must exist: "HP:0002014", or an ICD-10-CM code such as "J45.909"."""
    if code.upper().startswith("HP:") and code.upper() in known_codes():
        return "HPO", code.upper()
    concept_id = "ICD10CM:" + code.upper().removeprefix("ICD10CM:")
    if concept_id in known_codes():
        return "ICD-10-CM", concept_id
    known = "HPO (HP:0002014) nor in ICD-10-CM (J45.909)"
    raise DataError(f"code '{code:.40}' is neither in {known}; correct it or leave it empty")


@cache
def known_codes() -> frozenset[str]:
    """Every code of HPO and ICD-10-CM, as concept ids; read when a user first gives one."""
    packed = (files("medalign.concepts") / "data" / CODES_FILE).read_bytes()
    return frozenset(gzip.decompress(packed).decode().split())


def _tidy(text: str | None) -> str:
    return " ".join((text or "").split())


def _claim(owners: dict[tuple[str, ...], str], phrase: str, where: str) -> None:
    """Two concepts with one wording could not be told apart."""
    for as_written in (True, False):
        owner = owners.get(tuple(phrase_keys(phrase, as_written)), where)
        if owner != where:
            raise DataError(f"'{phrase}' is taken by {owner}")
    owners[tuple(phrase_keys(phrase, as_written=False))] = where
