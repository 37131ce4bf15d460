"""Tables of what is measured: units behind a number (`data/units.csv`), names before it (`data/quantities.csv`), and words.

Each has the range that can be true of a person. Where a name comes without a unit, the first of its readings that holds the
number gives the unit: an HbA1c of 58 is mmol/mol, of 7.2 per cent.
"""

import re
from dataclasses import dataclass
from itertools import product

from medalign.concepts.tokens import PhraseTree, data_rows, words_of


@dataclass(frozen=True)
class Unit:
    """What may stand behind a number, and what the two then are."""

    kind: str
    unit: str
    low: float
    high: float


@dataclass(frozen=True)
class Reading:
    """A unit and the range of plausible values in it."""

    unit: str
    low: float
    high: float


@dataclass(frozen=True)
class Name:
    """What may stand before a number that needs no unit."""

    group: str  # vital, laboratory, score
    kind: str
    readings: tuple[Reading, ...]


def _units() -> PhraseTree[list[Unit]]:
    rows = data_rows("units.csv")
    words_by_unit = {"@per": ["per", "a", "an", "each", "for each", "for every"]}
    for row in rows:
        words_by_unit.setdefault(f"@{row['unit']}", row["words"].split("|"))
    by_words: dict[str, list[Unit]] = {}
    for row in rows:
        unit = Unit(row["kind"], row["unit"], float(row["low"] or 0), float(row["high"] or "inf"))
        for words in row["words"].split("|"):  # "@mg @per @kg": in all words of these units
            for said in product(*(words_by_unit.get(word, [word]) for word in words.split())):
                by_words.setdefault(" ".join(said), []).append(unit)
    tree = PhraseTree[list[Unit]]()
    for words, units in by_words.items():
        tree.add(words.split(), units)
    return tree


def _names() -> PhraseTree[Name]:
    tree = PhraseTree[Name]()
    for row in data_rows("quantities.csv"):
        parts = [reading.split() for reading in row["readings"].split("|")]
        readings = tuple(Reading("" if unit == "-" else unit, float(low), float(high)) for unit, low, high in parts)
        for words in row["words"].split("|"):
            for form in (words, re.sub("(?<=[a-z])-(?=[a-z])", " ", words)):  # hyphens between letters part pieces
                tree.add(form.split(), Name(row["group"], row["kind"], readings))
    return tree


UNITS = _units()
NAMES = _names()
LABORATORY = frozenset(row["kind"] for row in data_rows("quantities.csv") if row["group"] == "laboratory")
SCORES = frozenset(row["kind"] for row in data_rows("quantities.csv") if row["group"] == "score") | {"pain score"}
DOSE_WORDS = words_of(
    " ".join(row["words"].replace("|", " ") for row in data_rows("units.csv") if row["kind"] == "dose")
) | words_of("dose doses inhaler cream ointment antibiotic antibiotics medicine medication")
TIMES = {
    word: unit.unit
    for row in data_rows("units.csv")
    if row["kind"] == "duration"
    for unit in [Unit("duration", row["unit"], 0, 0)]
    for word in row["words"].split("|")
}
PER = words_of("a an per each every")
PERIODS = {  # "three times a day", "twice daily"
    "day": "a day", "days": "a day", "daily": "a day", "night": "a night", "nightly": "a night", "nights": "a night",
    "evening": "a day", "morning": "a day", "week": "a week", "weekly": "a week", "month": "a month", "monthly": "a month",
    "year": "a year", "yearly": "a year", "hour": "an hour", "hourly": "an hour", "weekend": "a week",
    "fortnight": "a fortnight", "minute": "a minute", "fortnightly": "a fortnight",
}  # fmt: skip
WEEKDAYS = words_of("monday tuesday wednesday thursday friday saturday sunday weekend")
EVERY = {"hourly": "hours", "weekly": "weeks", "monthly": "months", "yearly": "years", "daily": "days"}  # "six hourly"
ABBREVIATED = {"od": "1", "qd": "1", "bd": "2", "bid": "2", "tds": "3", "tid": "3", "tid.": "3", "qds": "4", "qid": "4"}
ALCOHOL = words_of(
    "alcohol wine beer beers lager cider gin vodka whisky whiskey rum spirits sherry port prosecco champagne brandy ale stout "
    "booze pub stella fosters carling guinness heineken carlsberg budweiser strongbow baileys red white rose rosé merlot "
    "shiraz pinot chardonnay sauvignon martini bacardi bitter schnapps ouzo tequila cava whiskies gins"
)
DRINKING = ALCOHOL | words_of("drink drinks drinking drank drinker")
NOT_ALCOHOL = words_of(
    "water squash juice milk tea coffee coke cola fluid fluids lemonade lucozade tonic dioralyte cordial smoothie pop formula"
)
SMOKING = words_of("smoke smoked smoking smoker smokes cigarettes cigarette tobacco fags vape roll-ups")
HEIGHT = words_of("tall height length")
POUNDS = words_of("weigh weight weighs lost gained lose gain heavier lighter heavy baby born birth stone put")
# Forms in which other things come, too: they need a medicine in the sentence.
SOFT_FORMS = words_of("drops patches sprays injections spoonfuls % mmol lozenges tablespoons litres l/min ng")
# The unit of a number that is said with the medicine alone, where it is not mg: "levothyroxine 100".
BARE_UNITS = {
    "mcg": words_of("levothyroxine digoxin fentanyl fludrocortisone liothyronine clonidine"),
    "units": words_of("insulin lantus novorapid humalog glargine humulin levemir tresiba"),
}
# What may stand between a name and its number.
LINKS = words_of(
    "is at on of to the stays stay was it's it i think dose currently now about up from goes go remains down a that's be "
    "will we'll taking still around just roughly probably by says say reads reading came back are were been has have "
    "your his her my today this morning last night yesterday were's s come showing shows only high low measured recorded "
    "as and do doing give use using for down up put between i'd dose we're doses "
    "in mane lunchtime lunch evening breakfast teatime bedtime"
)
