"""A clinical note as statements: what each line claims, clause by clause, with abbreviations in full.

Notes come as they are written: SOAP headings or none, bullets, numbered plans, markdown, FHIR, the JSON of an analysis. A
clause is cut so that it can be true or false by itself: "No fever, no cough but tired" is three. Lists of one kind ("takes
aspirin and simvastatin") stay together.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from medalign.concepts.note_documents import MARKS, plain_text
from medalign.concepts.tokens import data_rows
from medalign.core.errors import DataError

Section = Literal[
    "complaint", "history", "past", "medicines", "allergies", "family", "social", "systems",
    "examination", "results", "assessment", "plan", "mixed", "",
]  # fmt: skip
MAX_CHARACTERS = 100_000  # of a note; a letter of ten pages has 30,000
MAX_CLAUSES = 400
MAX_HEADING = 60  # characters; a longer line is a sentence
LEAD_IN = {row["name"]: row["words"] for row in data_rows("note_words.csv") if row["kind"] == "lead-in"}  # what a heading says
NOTHING = ("past", "medicines", "allergies", "family", "social")  # where "nil" is a statement
WHOLE: tuple[Section, ...] = ("allergies", "family")  # each relative is named, so further lines need no heading
UNITS = {"7": "day", "52": "week", "12": "month", "24": "hour"}
BULLET = re.compile(r"^\s*(?:[-*•·▪◦–—>#→➢✓]+\s*|\(?\d{1,2}[.)](?=\s)\s*|\[[ xX]?\]\s*)+")
UNLABELLED = frozenset(["ice", "a", "p", "s", "o", "rx", "tx", "dx", "imp", "cc", "pc", "hx", "ex", "obs", "ros"])  # words, too
LABEL = re.compile(r"^((?:\*\*)?[A-Za-z][A-Za-z0-9 /&,'()-]{0,58}?)\s*(?:\*\*:|:\*\*|:|\s-(?=\s))\s*")
# Sentences end at a full stop before a capital or a figure, at semicolons, and at the ends of lines.
SENTENCE_END = re.compile(r"(?:(?<=[a-z0-9)\]\"”%])|(?<=[A-Z]{2}))[.!?]+(?=\s+[A-Z\"“(?0-9]|\s*$)|;|(?<=\w)\s+\|\s+")
# A section's label inside a line: "chest pain HPC: since Monday", "no cough, PMH asthma".
LABEL_INSIDE = re.compile(r"(?<=\s)([A-Z][A-Z/&]{0,5}|Plan|Imp):\s|(?<=,\s)([A-Z][A-Z/]{1,3}|o/e)\s")
NO_END = re.compile(r"\b(?:dr|mr|mrs|ms|st|vs|e\.g|i\.e|etc|approx|no|[a-z])$", re.IGNORECASE)
# Before a clause of its own: another denial, another verb of saying or of doing, what goes with a complaint, "but".
DOES = (
    "start|started|starting|stop|stopped|stopping|continue|continued|restart|increase|increased|reduce|reduced|switch|switched|"
    "commence|commenced|add|added|give|given|prescribe|prescribed|refer|referred|arrange|book|advise|advised"
)
REST = r"(?!\s+(?:as|because|due|after|in|when|by|since|it|this|them|\d))"  # "on a statin, stopped as his legs ached" is one
CLAUSE_START = re.compile(
    r"(?:,|\s-)\s+(?:and\s+|but\s+|then\s+)?(?=(?:no|nil|not|non|denies|denied|reports|reported|states|endorses|has|had|is|was|"
    rf"takes|taking|lives|works|wife|husband|mother|father|sister|brother|ex|with|(?:{DOES}){REST})\b)"
    rf"|\s+(?=but\s)|,?\s+and\s+(?=(?:he|she|they|denies|reports|states|endorses|has|is|was|will|(?:{DOES}){REST})\b)",
    re.IGNORECASE,
)
LISTED = re.compile(rf"{CLAUSE_START.pattern}|,\s+", re.IGNORECASE)  # "non smoker, moderate alcohol": each by itself
DENIAL = re.compile(r"(?:no|nil|denies|denied|without)\b", re.IGNORECASE)
# What follows a comma there and tells its own circumstances is not of the list that is denied: "No sweating, SOB on effort".
CIRCUMSTANCE = re.compile(
    r"\b(?:on|at|when|while|since|after|during|for|worse|better|spread\w*|radiat\w*|to the|in the|last|every|today|yesterday|"
    r"\d+)\b",
    re.IGNORECASE,
)
LISTED_ON = re.compile(r"\b(?:or|nor|and)\b|/", re.IGNORECASE)
SHORT_DURATION = re.compile(r"(?<![\d/])(\d+(?:\s?-\s?\d+)?)\s*/\s*(7|52|12|24)(?![\d/])")
PER_DAY = re.compile(r"\bx\s?(\d+)\s?/\s?(day|night|week)\b", re.IGNORECASE)
DAYS = re.compile(r"\b(\d+(?:\s?-\s?\d+)?)\s?([dwhy])\b")
LONG = {"d": "day", "w": "week", "h": "hour", "y": "year"}
AGE = re.compile(r"\b(\d{1,3})\s?(?:yo|y/o|yrs?\s?old)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Clause:
    """What a note claims in one place: characters [start, end) of its text."""

    text: str  # as written
    plain: str  # in full words, behind what its heading says of it
    section: Section
    label: str  # the heading that it stands under, as written; "" without one
    start: int
    end: int
    is_claim: bool = True  # False: nothing in it can be true or false of the consultation ("None.", a lone name)


def read_note(text: str) -> tuple[str, tuple[Clause, ...]]:
    """The note as plain text, and its clauses in order.

    >>> [clause.plain for clause in read_note("PMH: asthma. NKDA")[1]]
    ['Past medical history: asthma', 'no known drug allergies']

    Args:
        text: plain, markdown, FHIR (Composition, DocumentReference or a Bundle of these) or an analysis as JSON.

    Raises:
        DataError: it is empty, has headings only, is too long, or is JSON that holds no note.
    """
    if len(text) > 10 * MAX_CHARACTERS:
        raise DataError(_too_long(len(text)))
    plain = plain_text(text)
    if not any(c.isalnum() for c in plain):
        raise DataError("the note is empty; give its text, as .txt, .md, FHIR or the JSON of an analysis")
    if len(plain) > MAX_CHARACTERS:
        raise DataError(_too_long(len(plain)))
    clauses = tuple(_clauses(plain))
    if not clauses:
        raise DataError("the note makes no statement: headings alone can't be checked; write something under them")
    if len(clauses) > MAX_CLAUSES:
        n = len(clauses)
        raise DataError(f"the note makes {n} statements, at most {MAX_CLAUSES} are checked; give one consultation's note")
    return plain, clauses


def _too_long(n: int) -> str:
    return f"the note has {n:,} characters, at most {MAX_CHARACTERS:,} are read; give one consultation's note"


def _clauses(plain: str) -> Iterator[Clause]:
    section: Section = ""
    label, at = "", 0
    for line in plain.splitlines(keepends=True):
        start, end = at, at + len(line.rstrip())
        at += len(line)
        if bullet := BULLET.match(line):
            start += bullet.end()
        stripped = plain[start:end].strip()
        if not any(c.isalnum() for c in stripped):
            continue
        heading = MARKS.sub("", stripped).strip(" :.-")
        known = _section_of(heading, section)
        is_brief = len(heading) <= MAX_HEADING
        is_words = heading.isupper() and heading.replace(" ", "").isalpha()
        is_capital = is_words and is_brief and len(heading) > 3 and len(heading.split()) <= 6
        is_marked = line.lstrip().startswith("#") or bool(re.fullmatch(r"\*\*[^*]+\*\*:?", stripped))
        is_set_off = is_brief and (is_marked or stripped.endswith(":"))
        # "ECG NAD" is a statement.
        is_capital = is_capital and not any(w in _shorts() and w not in _sections() for w in heading.lower().split())
        if known or is_set_off or is_capital:
            section, label = known or ("" if is_capital or is_marked else section), heading
            continue
        own, own_label = section, label
        for a, b in _pieces(plain, start, end):
            if named := _label(plain[a:b], own):
                known, name, skipped = named
                own, own_label = known or own, name
                if known and a == at - len(line):  # at the edge it opens a section: "PMH: asthma", and the lines below it
                    section, label = own, own_label
                    if known in WHOLE:  # "Allergies: NKDA", "FH: father MI": what stands below is of something else
                        section, label = "", ""
                a += skipped
            for first, last in _cut(plain, a, b, LISTED) if own == "social" else [(a, b)]:
                if any(c.isalnum() for c in plain[first:last]):
                    yield _clause(plain, first, last, own, own_label)


def _label(text: str, section: Section) -> tuple[Section | None, str, int] | None:
    """The label that a clause begins with ("PMH: asthma", "SH lives alone"): its section if known, its words, its length."""
    if named := LABEL.match(text):
        name = MARKS.sub("", named[1]).strip()
        known = _section_of(name, section)
        if known or ":" in named[0] and len(name.split()) <= 5:
            return known, name, named.end()
        return None
    first = text.split(maxsplit=1)
    if len(first) == 2 and 2 <= len(first[0]) <= 4 and (first[0].isupper() or first[0].endswith("x") or first[0] == "o/e"):
        known = _section_of(first[0], section)
        if known and first[0].lower() not in UNLABELLED:
            return known, first[0], len(first[0]) + 1
    return None


def _section_of(name: str, section: Section) -> Section | None:
    """Parts of the body are headings of an examination inside one, else of a review of systems."""
    known = _sections().get(name.lower())
    return section if known == "systems" and section in ("examination", "results", "assessment", "plan") else known


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Sentences, then clauses."""
    edges = [start]
    for stop in SENTENCE_END.finditer(text, start, end):
        if not (stop[0].startswith(".") and NO_END.search(text[max(start, stop.start() - 7) : stop.start()])):
            edges.append(stop.end())
    labels = [(named.start(), named[1] or named[2]) for named in LABEL_INSIDE.finditer(text, start + 1, end)]
    edges += [at for at, name in labels if name.lower() in _sections()]
    edges = sorted({*edges, end})
    for a, b in zip(edges, edges[1:], strict=False):
        for first, last in _cut(text, a, b, CLAUSE_START):
            yield from _cut_denial(text, first, last) if DENIAL.match(text, first) else [(first, last)]


def _cut_denial(text: str, a: int, b: int) -> list[tuple[int, int]]:
    """A denial, and what follows its last comma where that is told for itself; lists stay together."""
    comma = text.rfind(",", a, b)
    rest = text[comma + 1 : b]
    is_own = comma > a and len(rest.split()) >= 3 and CIRCUMSTANCE.search(rest) and not LISTED_ON.search(text[a:b])
    return [(a, comma), (comma + 1 + len(rest) - len(rest.lstrip()), b)] if is_own else [(a, b)]


def _cut(text: str, a: int, b: int, at: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The parts of [a, b), without what joins them."""
    starts = [found.start() for found in at.finditer(text, a, b)]
    cuts = [a, *(start for start in starts if len(re.findall(r"\w+", text[a:start])) >= 2), b]  # "He" alone claims nothing
    for first, last in zip(cuts, cuts[1:], strict=False):
        while first < last and (text[first] in " ,;.|-–\t*" or text[first:last].lower().startswith("and ")):
            first += 4 if text[first:last].lower().startswith("and ") else 1
        while last > first and text[last - 1] in " ,;.|\t*":
            last -= 1
        if any(c.isalnum() for c in text[first:last]):
            yield first, last


def _clause(plain: str, start: int, end: int, section: Section, label: str) -> Clause:
    text = plain[start:end]
    bare = text.strip(" .").lower()
    words = MARKS.sub("", text)
    for pattern, put in _patterns(section):
        words = pattern.sub(put, words)
    words = expanded(words)
    lead = "" if section in ("complaint", "plan") else LEAD_IN.get(section, "")
    if label and label.lower() not in _sections():
        lead = label if not label.isupper() else lead
    if section in NOTHING and bare in _listed("empty"):
        words = "none"
    if lead:
        words = f"{lead}: {words}"
    is_claim = bare not in _listed("empty") and any(c.isalpha() for c in words) or section in NOTHING
    return Clause(text, words, section, label, start, end, is_claim)


def expanded(text: str) -> str:
    """The words in full: "3/7 hx of SOB" is "3 days history of shortness of breath"."""
    text = re.sub(r"\bnil of note\b,?", "none.", text, flags=re.IGNORECASE)
    text = SHORT_DURATION.sub(lambda m: f"{m[1]} {UNITS[m[2]]}{'' if m[1] == '1' else 's'}", text)
    text = PER_DAY.sub(r"\1 times a \2", text)
    text = AGE.sub(r"\1 year old", text)
    text = DAYS.sub(lambda m: f"{m[1]} {LONG[m[2]]}{'' if m[1] == '1' else 's'}", text)
    for pattern, words in _patterns("any"):
        text = pattern.sub(words, text)
    text = re.sub(r"(?<![\w?])\?\s?(?=\w)", "possible ", text)

    def parted(m: re.Match[str]) -> str:
        return m[0] if m[0].lower() in _shorts() else m[0].replace("/", " or ")

    text = re.sub(r"\b[A-Za-z]{2,}/[A-Za-z]{2,}\b", parted, text)  # "SOB/cough", not "c/o"
    return " ".join(map(_in_full, re.sub(r"(?<=[a-zA-Z]{2})/(?=[a-zA-Z]{3})", " or ", text).split()))


def _in_full(word: str) -> str:
    shorts = _shorts()
    core = word.strip(",;:()[]\"'")
    key = core.lower() if core.lower() in shorts else core.lower().rstrip(".")
    if key not in shorts or key in ("low", "ha", "pe", "co", "cp", "ed", "er", "re", "mi", "od") and not core.isupper():
        return word
    return word.replace(core, shorts[key], 1)


@cache
def _patterns(section: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """What stands for a word only in its place: "20/d", "10u/wk", "5mg od", "@55", "45F", "L leg", and in one section only."""
    rows = [row for row in data_rows("note_patterns.csv") if row["section"] == section]
    return tuple((re.compile(row["pattern"]), row["words"]) for row in rows)


@cache
def _listed(kind: str) -> frozenset[str]:
    return frozenset(words for row in data_rows("note_words.csv") if row["kind"] == kind for words in row["words"].split("|"))


@cache
def _shorts() -> dict[str, str]:
    rows = [row for row in data_rows("note_words.csv") if row["kind"] == "short"]
    return {short: row["name"] for row in rows for short in row["words"].split("|")}


@cache
def _sections() -> dict[str, Section]:
    known = get_args(Section)
    rows = [row for row in data_rows("note_words.csv") if row["kind"] == "section" and row["name"] in known]
    return {words: row["name"] for row in rows for words in row["words"].split("|")}  # type: ignore[misc]
