"""How heavy and how tall a person is: "eleven stone four", "six foot one", "two hundred pounds and five eleven"."""

from dataclasses import replace

from medalign.concepts.sentence import Amount, Quantity, Sentence
from medalign.concepts.tokens import words_of
from medalign.concepts.units import HEIGHT, POUNDS, UNITS

IN_FEET = words_of("foot feet tall")
TALL = 140  # cm; no other length of a person reaches it
ANSWER_REACH = 4  # pieces before a height that answers
BY_WEIGHT = words_of("pounds lbs stone kilos kg")
THINGS = words_of("box boxes dog cat bag bags suitcase lifted lifting lift carry carrying carried dumbbell weights")
PERSONS = words_of("i'm you're he she he's she's am is about i was now")


def weight(sentence: Sentence, amount: Amount, made: Quantity) -> Quantity | None:
    """ "eleven stone four" is one weight; pounds may be money."""
    if THINGS & set(sentence.texts):
        return None
    parts = {"stone": 14, "lb": 16}.get(made.unit, 0)  # pounds of a stone, ounces of a pound
    rest = sentence.amount_at(made.end)
    if rest and rest.low == rest.high and rest.high < parts and not sentence.pieces[made.end - 1].pause and not rest.vague:
        unit = UNITS.longest(sentence.texts, rest.end)
        is_part = sentence.text(rest.end) in ("lb", "lbs", "pound", "pounds", "oz", "ounce", "ounces")
        if is_part or unit is None:
            return replace(made, value=f"{made.value} {rest.value}", end=rest.end + is_part)
    is_body = sentence.text(amount.start - 1) in PERSONS and amount.low >= 60 or bool(IN_FEET & set(sentence.texts))
    is_money = made.unit == "lb" and not (sentence.says(POUNDS) or sentence.text(amount.end) in ("lb", "lbs") or is_body)
    return None if is_money else made


def height(sentence: Sentence, amount: Amount, made: Quantity) -> Quantity | None:
    """ "Six foot one", "a metre seventy": of a person."""
    rest = sentence.amount_at(made.end) if made.unit in ("ft", "m") else None
    if rest and made.unit == "m" and amount.low.is_integer():  # "one metre seventy"
        is_height = amount.high in (1, 2) and 10 <= rest.high <= 99 and rest.low == rest.high
        return replace(made, value=f"{amount.high + rest.high / 100:g}", end=rest.end) if is_height else None
    if rest and rest.high < 12 and not rest.vague and not sentence.pieces[made.end - 1].pause and amount.high <= 7:
        unit = UNITS.longest(sentence.texts, rest.end)
        is_inches = unit is not None and unit[1][0].unit == "in"
        if unit is None or is_inches:
            return replace(made, value=f"{made.value} {rest.value}", end=unit[0] if unit else rest.end)
    is_long = amount.high >= 120 or made.unit == "m" and 1.2 <= amount.high <= 2.3
    is_person = is_long and sentence.text(amount.start - 1) in PERSONS
    is_person = is_person or made.unit == "cm" and amount.high >= TALL and not sentence.names
    return made if sentence.says(HEIGHT) or is_person and made.unit in ("cm", "m") else None


def height_alone(sentence: Sentence, amount: Amount) -> Quantity | None:
    """ "212 pounds and five eleven", "I'm six two": feet and inches, where weight or height of a person is spoken of."""
    before, asked = sentence.text(amount.start - 1), bool(HEIGHT & set(sentence.asked)) and amount.start < ANSWER_REACH
    is_body = sentence.says(HEIGHT | POUNDS | BY_WEIGHT) and before in PERSONS | {"and", "about"}
    feet, inches, end = _feet(sentence, amount)
    is_height = amount.low == amount.high and feet in (4, 5, 6) and inches < 12 and not amount.vague
    is_plain = UNITS.longest(sentence.texts, end) is None and not sentence.text(amount.start).isdigit()
    made = Quantity("height", f"{feet} {inches}", "ft", amount.start, end)
    return made if (is_body or asked) and is_height and is_plain else None


def _feet(sentence: Sentence, amount: Amount) -> tuple[int, int, int]:
    """Feet, inches and the end of "five eleven", which is read as 511, or of "six two", which is two numbers or a list."""
    feet, inches = divmod(int(amount.high), 100)
    rest = sentence.amount_at(amount.end)
    if rest and amount.high < 10 and rest.low == rest.high and not sentence.pieces[amount.end - 1].pause:
        return int(amount.high), int(rest.high), rest.end
    return feet, inches if inches > 9 else 12, amount.end
