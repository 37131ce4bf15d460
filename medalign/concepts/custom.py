"""A user's own concepts: from a CSV file or from lines typed into the page, checked together, then scored like the bank's.

Both sources need nothing but words: in the transcript the phrases are looked for, audio is compared with their embedding. So
a concept that nobody trained for counts at once. One that the bank has adds its wording to the bank's. A line that can't be
used is told and left out; it stops nobody.
"""

import csv
import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from medalign.concepts.bank import CATEGORIES, Category, Concept, ConceptBank, phrase_keys
from medalign.core.analysis import System
from medalign.core.errors import DataError
from medalign.core.tables import numbered_rows

CODES_FILE = "codes.txt.gz"
COLUMNS = frozenset(["label", "synonyms", "code", "category"])
MAX_CONCEPTS = 1000  # embedding them takes a laptop some ten seconds
MAX_LABEL = 80  # characters; nobody says a longer one in one breath
MAX_TOLD = 10  # problems listed at once
DEFAULT_CATEGORY: Category = "finding"


def read_concepts(path: Path, bank: ConceptBank) -> tuple[tuple[Concept, ...], tuple[str, ...]]:
    """Concepts of a CSV file with the column `label` and, if wanted, `synonyms` (separated by |), `code` and `category`;
    and why lines were left out and which are found under the bank's name, a sentence each.

    Raises:
        DataError: the file can't be read, or has no line.
    """
    rows = numbered_rows(path, ["label"], remedy="save it as CSV in UTF-8 whose first line is label,synonyms,code,category")
    return _checked([(f"line {line}", row) for line, row in rows], bank)


def parse_concepts(text: str, bank: ConceptBank) -> tuple[tuple[Concept, ...], tuple[str, ...]]:
    """Concepts typed one a line: a label, then synonyms, separated by semicolons, or by commas where a line has none; or the
    text of a file as `read_concepts` reads it, whose first line names the columns. Empty lines are skipped. Returns as that.

    Raises:
        DataError: there is no line.
    """
    lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip()]
    columns = [name.strip().lower() for name in lines[0][1].split(",")] if lines else []
    if "label" in columns and set(columns) <= COLUMNS:
        rows = [(f"line {n}", dict(zip(columns, next(csv.reader([line])), strict=False))) for n, line in lines[1:]]
        return _checked(rows, bank)
    rows = []
    for n, line in lines:
        label, *synonyms = line.split(";" if ";" in line else ",")
        rows.append((f"line {n}", {"label": label, "synonyms": "|".join(synonyms)}))
    return _checked(rows, bank)


def only_concepts(concepts: object) -> tuple[Concept, ...]:
    """They themselves. Raises DataError: something else was given in place of a list of concepts."""
    listed = tuple(concepts) if isinstance(concepts, Iterable) else (concepts,)
    if odd := [concept for concept in listed if not isinstance(concept, Concept)]:
        raise DataError(
            f"own concepts hold a value of type {type(odd[0]).__name__}; read them by parse_concepts or read_concepts"
        )
    return listed


def unknown_to(bank: ConceptBank, concepts: Sequence[Concept]) -> tuple[Concept, ...]:
    """Those that the bank does not have."""
    return tuple(concept for concept in concepts if concept.concept_id not in bank.column)


def extended(bank: ConceptBank, concepts: Sequence[Concept]) -> ConceptBank:
    """The bank with concepts added behind its own, which stay in their columns and have the wording that was added."""
    worded = {concept.concept_id: concept for concept in concepts}
    own = (worded.get(concept.concept_id, concept) for concept in bank.concepts)
    return ConceptBank((*own, *unknown_to(bank, concepts)), bank.blocked, bank.sources)


def asked_for(bank: ConceptBank, without: ConceptBank) -> frozenset[str]:
    """The ids of a user's own concepts in a bank: those that it has beyond the bank `without` them, or in other words."""
    return frozenset(c.concept_id for c in bank.concepts if c.concept_id not in without or c is not without[c.concept_id])


def _checked(
    rows: Sequence[tuple[str, Mapping[str, str | None]]], bank: ConceptBank
) -> tuple[tuple[Concept, ...], tuple[str, ...]]:
    """The concepts of all rows that can be used; why the others can't, and which have another's name."""
    if not rows:
        raise DataError("there is no concept; write one a line, a label and then its synonyms")
    concepts = {concept.concept_id: concept for concept in bank.concepts}
    owners = {key: concept.concept_id for concept in bank.concepts for key in _keys(concept)}
    found: dict[str, Concept] = {}
    left_out, renamed = [], []
    for where, row in rows[:MAX_CONCEPTS]:
        try:
            written = _concept(row)
            concept = _owned(written, owners, concepts)
        except DataError as error:
            left_out.append(f"{where}: {error}")
            continue
        if concept.label.lower() != written.label.lower():
            renamed.append(f"{where}, '{written.label}', is found under the name '{concept.label}'")
        found[concept.concept_id] = concepts[concept.concept_id] = concept
        owners |= dict.fromkeys(_keys(concept), concept.concept_id)
    if len(rows) > MAX_CONCEPTS:
        left_out.append(f"{len(rows)} concepts are more than {MAX_CONCEPTS}, the most that can be scored while somebody waits")
    told = [f"Own concepts, left out: {reason}." for reason in _shortened(left_out)]
    return tuple(found.values()), (*told, *(f"Own concepts: {name}." for name in _shortened(renamed)))


def _shortened(reasons: Sequence[str]) -> list[str]:
    more = len(reasons) - MAX_TOLD
    return [*reasons[:MAX_TOLD], *([f"and {more} more lines"] if more > 0 else [])]


def _keys(concept: Concept) -> set[tuple[str, ...]]:
    return {tuple(phrase_keys(phrase, phrase in concept.as_written)) for phrase in (concept.label, *concept.synonyms)}


def _owned(concept: Concept, owners: Mapping[tuple[str, ...], str], known: Mapping[str, Concept]) -> Concept:
    """The concept; or the one that has it already, the bank's or one of an earlier line, with the wording that is new.

    Raises DataError if its phrases, or its code, are of several: they could not be told apart.
    """
    phrases = (concept.label, *concept.synonyms)
    ids = {p: owners.get(tuple(phrase_keys(p, True))) or owners.get(tuple(phrase_keys(p, False))) for p in phrases}
    of = {p: concept_id for p, concept_id in ids.items() if concept_id}
    if concept.concept_id in known or concept.system != "CUSTOM":
        of[concept.code] = concept.concept_id
    if len(set(of.values())) > 1:
        named = ", ".join(f"'{p}' is '{known[i].label if i in known else concept.label}'" for p, i in of.items())
        raise DataError(f"its words are of several concepts ({named}); give each a line of its own")
    if not of or (owner := known.get(next(iter(of.values())))) is None:
        return concept
    return replace(owner, synonyms=(*owner.synonyms, *(p for p in phrases if p not in ids or not ids[p])))


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
