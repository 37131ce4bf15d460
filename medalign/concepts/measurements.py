"""Numbers with a meaning: temperature, blood pressure, dose, how long, how often, how much is drunk and smoked.

A number counts only with a unit behind it or a cue before it, inside its sentence, and within what can be true of a person:
"140 over 90" is a blood pressure, "three over five" is none. What stands in `value` is as said, in digits; nothing is
converted, so that 100.4 stays 100.4 with its own unit.

Numbers in words are read by text2num (https://pypi.org/project/text2num/).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from text_to_num import Token as NumberToken
from text_to_num import find_numbers

from medalign.concepts.bank import ConceptBank
from medalign.concepts.mentions import Mention
from medalign.concepts.tokens import words_of
from medalign.core.analysis import Measurement
from medalign.core.transcript import Transcript, Word

CUE_REACH = 7  # words between a cue ("my temperature was about") and its number
ABOUT_REACH_S = 6.0  # a dose or duration belongs to a mention that is no farther from it
_ENDS = re.compile(r"[.?!]+[\"')\]]*$")
_BARE = re.compile(r"^[\"'(\[]+|[\"')\],;:.?!…]+$")
_GLUED = re.compile(r"(\d+(?:\.\d+)?)(mg|mcg|g|ml|kg|cm|%|°c|°f|°|c|f)")
_FRACTION = re.compile(r"(\d{2,3})/(\d{2,3})")
_DIGITS = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
VAGUE = {"a": 1.0, "an": 1.0, "one": 1.0, "couple": 2.0}


@dataclass(frozen=True)
class _Unit:
    """What may stand behind a number, and what the two then are."""

    kind: str
    unit: str
    low: float
    high: float
    cues: frozenset[str] = frozenset()  # if given, one of them stands in the sentence, too


@dataclass(frozen=True)
class _Number:
    value: float
    text: str
    start: int  # words [start, end)
    end: int
    vague: bool = False  # "a", "an": counts with a time behind it only


def _units(kind: str, table: str, low: float, high: float, cues: str = "") -> dict[str, _Unit]:
    """`table`: "unit: word word, unit: word"."""
    found: dict[str, _Unit] = {}
    for entry in table.split(","):
        unit, _, words = entry.partition(":")
        found |= {word: _Unit(kind, unit.strip(), low, high, words_of(cues)) for word in words.split()}
    return found


TIMES = words_of("minute minutes hour hours day days night nights week weeks month months year years")
DRINKING, SMOKING = "alcohol drink drinking drinks wine beer week", "smoke smoked smoking smoker day cigarettes"
UNITS: dict[str, _Unit] = {
    **_units("dose", "mg: mg milligram milligrams milligramme milligrammes, mcg: mcg microgram micrograms", 0.01, 5000),
    **_units("dose", "g: g gram grams, ml: ml mil mils millilitre millilitres milliliter milliliters", 0.1, 2000),
    **_units("dose", "tablets: tablet tablets pill pills capsule capsules, puffs: puff puffs, drops: drop drops", 0.25, 40),
    **_units("temperature", "°C: °c celsius centigrade", 30, 44),
    **_units("temperature", "°F: °f fahrenheit", 86, 112),
    **_units("weight", "kg: kg kilo kilos kilogram kilograms, lb: lb lbs pound pounds, stone: stone", 1, 600),
    **_units("height", "cm: cm centimetre centimetres centimeter centimeters, ft: feet", 3, 230, "tall height"),
    **_units("pulse", "/min: bpm beats", 25, 250),
    **_units("oxygen saturation", "%: percent % per", 50, 100, "saturation saturations sats oxygen spo2"),
    **_units("alcohol", "units: unit units, pints: pint pints, glasses: glass glasses", 1, 100, DRINKING),
    **_units("tobacco", "cigarettes: cigarette cigarettes cigs, packs: pack packs packet packets", 0.25, 100, SMOKING),
    **{word: _Unit("duration", word if word.endswith("s") else word + "s", 0.25, 200) for word in TIMES},
}  # fmt: skip
DEGREES = words_of("degree degrees °")
# Said before a number that may have no unit: "her temperature was thirty nine".
CUES = {
    "temperature": (words_of("temperature temp fever"), ((34.0, 43.0, "°C"), (93.0, 110.0, "°F"))),
    "pulse": (words_of("pulse heartrate"), ((30.0, 220.0, "/min"),)),
    "oxygen saturation": (words_of("saturation saturations sats"), ((60.0, 100.0, "%"),)),
}
PRESSURE_S, PRESSURE_D = (70, 260), (30, 160)  # mmHg, systolic and diastolic
PER = words_of("a per each every")
OFTEN = {"once": 1.0, "twice": 2.0}


class _Word(NumberToken):
    """A word as text2num wants it."""

    def __init__(self, text: str):
        self._text = text

    def text(self) -> str:
        return self._text


def find_measurements(transcript: Transcript, mentions: Sequence[Mention], bank: ConceptBank) -> tuple[Measurement, ...]:
    """All measurements in order of time, each with the mention it belongs to, if one is near.

    A dose and how often belong to a medicine, a duration to whatever is nearest.
    """
    found = (measurement for words in _sentences(transcript) for measurement in _in_sentence(words))
    return tuple(replace(measurement, concept_id=_about(measurement, mentions, bank)) for measurement in found)


def _sentences(transcript: Transcript) -> Iterator[list[Word]]:
    """Words up to a full stop, also across segments: recognisers cut a long sentence into several."""
    current: list[Word] = []
    for word in transcript.words:
        current.append(word)
        if _ENDS.search(word.text) and not word.text.lower().startswith(("dr.", "mr.", "mrs.")):
            yield current
            current = []
    if current:
        yield current


def _in_sentence(words: list[Word]) -> Iterator[Measurement]:
    bare, owner = _split(words)
    numbers = _numbers(bare)
    at = 0
    while at < len(numbers):
        number = numbers[at]
        following = numbers[at + 1] if at + 1 < len(numbers) else None
        if found := _blood_pressure(bare, number, following) or _frequency(bare, number):
            at += 2 if following and following.start < found[3] else 1
        else:
            found = _with_unit(bare, number) or _by_cue(bare, number)
            at += 1
        if found:
            kind, value, unit, end = found
            start = number.start
            if kind != "blood pressure" and (lower := _lower_end(bare, numbers, number)):
                start, value = lower.start, value.replace(number.text, f"{lower.text}-{number.text}", 1)
            first, last = words[owner[start]], words[owner[end - 1]]
            said = " ".join(w.text for w in words[owner[start] : owner[end - 1] + 1])
            yield Measurement(kind, value, unit, said.rstrip(",;:.?!"), first.start_s, last.end_s)


def _lower_end(bare: list[str], numbers: list[_Number], number: _Number) -> _Number | None:
    """The two of "two to three days", "two or three days" and "two, three days"."""
    for lower in numbers:
        between = bare[lower.end : number.start]
        if lower.end <= number.start and between in ([], ["to"], ["or"]) and not lower.vague and lower.value < number.value:
            return lower
    return None


def _split(words: list[Word]) -> tuple[list[str], list[int]]:
    """Lower-case words without punctuation, "38.5°c" and "500mg" in two, and the word that each came from."""
    bare, owner = [], []
    for i, word in enumerate(words):
        text = _BARE.sub("", word.text.lower().replace("’", "'"))
        glued, fraction = _GLUED.fullmatch(text), _FRACTION.fullmatch(text)
        if glued:
            parts = [glued[1], glued[2]]
        elif fraction:
            parts = [fraction[1], "over", fraction[2]]
        else:
            parts = [part for part in text.split("-") if part] if re.fullmatch(r"[a-z]+-[a-z]+", text) else [text]
        bare += parts
        owner += [i] * len(parts)
    return bare, owner


def _numbers(bare: list[str]) -> list[_Number]:
    in_words = [found for found in find_numbers([_Word(text) for text in bare], "en", 0) if not found.is_ordinal]
    numbers = [_Number(found.value, f"{found.value:g}", found.start, found.end) for found in in_words]
    taken = {i for number in numbers for i in range(number.start, number.end)}
    for i, text in enumerate(bare):
        if i not in taken and _DIGITS.fullmatch(text):
            value = float(text.replace(",", ""))
            numbers.append(_Number(value, f"{value:g}", i, i + 1))
        elif i not in taken and text in (*VAGUE, *OFTEN):
            value = VAGUE.get(text) or OFTEN[text]
            numbers.append(_Number(value, f"{value:g}", i, i + 1, vague=text in VAGUE))
    return sorted(numbers, key=lambda number: number.start)


Found = tuple[str, str, str, int]  # kind, value, unit, end of its words


def _blood_pressure(bare: list[str], number: _Number, following: _Number | None) -> Found | None:
    if following is None or bare[number.end : following.start] not in (["over"], ["on"]):
        return None
    plausible = PRESSURE_S[0] <= number.value <= PRESSURE_S[1] and PRESSURE_D[0] <= following.value <= PRESSURE_D[1]
    if plausible and number.value > following.value:
        return "blood pressure", f"{number.text}/{following.text}", "mmHg", following.end
    return None


def _frequency(bare: list[str], number: _Number) -> Found | None:
    """ "three times a day", "twice daily"; "every six hours" counts as a time between doses."""
    after = bare[number.end : number.end + 3]
    if number.start and bare[number.start - 1] == "every" and after[:1] and after[0] in TIMES and not number.vague:
        return "frequency", f"every {number.text}", after[0], number.end + 1
    if bare[number.start] not in OFTEN:
        if after[:1] != ["times"] or number.vague:
            return None
        end, after = number.end + 1, after[1:]
    else:
        end = number.end
    if after[:1] == ["daily"]:
        return "frequency", number.text, "a day", end + 1
    if len(after) > 1 and after[0] in PER and after[1] in TIMES:
        return "frequency", number.text, f"a {after[1]}", end + 2
    return None


def _with_unit(bare: list[str], number: _Number) -> Found | None:
    end = number.end
    while end < len(bare) and bare[end] in ("of", "or", "so", "more") and end - number.end < 2:
        end += 1  # "a couple of weeks", "ten or so days"
    if end < len(bare) and bare[end] in DEGREES:
        scale = bare[end + 1] if end + 1 < len(bare) else ""
        unit = UNITS.get("°" + scale, UNITS.get(scale))
        if unit is None or unit.kind != "temperature":
            return _in_range(number, CUES["temperature"][1], "temperature", end + 1)
        end += 1
    elif end < len(bare):
        unit = UNITS.get(bare[end])
    else:
        return None
    if unit is None or not unit.low <= number.value <= unit.high or (number.vague and unit.kind not in ("duration", "dose")):
        return None
    if unit.cues and not unit.cues & set(bare):
        return ("dose", number.text, "units", end + 1) if unit.unit == "units" else None
    if unit.kind == "duration":
        return _duration(bare, number, unit, end)
    if unit.kind == "oxygen saturation" and bare[end] == "per" and bare[end + 1 : end + 2] != ["cent"]:
        return None
    return unit.kind, number.text, unit.unit, end + 1 + (unit.kind == "oxygen saturation" and bare[end] == "per")


def _duration(bare: list[str], number: _Number, unit: _Unit, end: int) -> Found | None:
    """ "for two weeks", "three days ago"; "ten a day", "I'm forty years old" and "once a week" are no durations."""
    after, before = bare[end + 1 : end + 2], bare[max(0, number.start - 4) : number.start]
    aged = after == ["old"] or bare[end + 1 : end + 3] == ["of", "age"]
    opened = set(before) & DURATION_OPENERS or after == ["ago"]
    if aged or (number.vague and not (opened and before[-1:] != ["times"] and not _is_rate(bare, number))):
        return None
    ago = after == ["ago"]
    value, time = number.text, unit.unit
    if bare[max(0, number.start - 1) : number.start] == ["half"] and number.vague:
        value = "0.5"
    elif number.value == 1:
        time = time.removesuffix("s")
    return "duration", value, time + " ago" * ago, end + 1 + ago


def _is_rate(bare: list[str], number: _Number) -> bool:
    """ "20 units a week", "ten a day": something is counted right before."""
    before = bare[number.start - 1] if number.start else ""
    counted = before in UNITS or bool(_DIGITS.fullmatch(before)) or before in OFTEN
    return counted or any(n.end == number.start for n in _numbers(bare[: number.start]) if not n.vague)


DURATION_OPENERS = words_of("for since over past last about around nearly almost within after in couple")


def _by_cue(bare: list[str], number: _Number) -> Found | None:
    if number.vague:
        return None
    before = bare[max(0, number.start - CUE_REACH) : number.start]
    joined = " ".join(before).replace("heart rate", "heartrate").split()
    for kind, (cues, ranges) in CUES.items():
        if cues & set(joined) and (bare[number.end : number.end + 1] or [""])[0] not in TIMES:
            return _in_range(number, ranges, kind, number.end)
    return None


def _in_range(number: _Number, ranges: Sequence[tuple[float, float, str]], kind: str, end: int) -> Found | None:
    for low, high, unit in ranges:
        if low <= number.value <= high:
            return kind, number.text, unit, end
    return None


def _about(measurement: Measurement, mentions: Sequence[Mention], bank: ConceptBank) -> str | None:
    if measurement.kind not in ("dose", "frequency", "duration"):
        return None
    only_medicines = measurement.kind != "duration"
    near = [
        (max(mention.start_s - measurement.end_s, measurement.start_s - mention.end_s, 0.0), mention.concept_id)
        for mention in mentions
        if not only_medicines or bank[mention.concept_id].category == "medicine"
    ]
    distance_s, concept_id = min(near, default=(ABOUT_REACH_S + 1, None))
    return concept_id if distance_s <= ABOUT_REACH_S else None
