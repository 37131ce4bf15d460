"""Speech recognition: how many words does the recogniser get wrong?

Conventions: references and hypotheses are strings as they were written; both are made plain before they are compared.
"""

import re
from collections.abc import Sequence

from medalign.core.errors import DataError

# fmt: off
UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
# fmt: on
NUMBERS = {word: n for n, word in enumerate(UNITS)} | {word: 20 + 10 * n for n, word in enumerate(TENS)}


def plain(text: str) -> str:
    """Lower case, letters, digits and apostrophes, numbers up to 99 in digits: what a word error rate should compare."""
    words = re.sub(r"[^a-z0-9' ]", " ", text.lower().replace("’", "'")).split()
    written: list[str] = []
    tens = 0  # what the word before, such as "twenty", adds to this one
    for word in words:
        number = NUMBERS.get(word)
        if tens and number is not None and 0 < number < 10:
            written[-1] = str(tens + number)
        else:
            written.append(word if number is None else str(number))
        tens = number if number is not None and number >= 20 else 0
    return " ".join(written)


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, float]:
    """Substituted, deleted and inserted words as a share of the words said, over all texts together, and their counts.

    Raises:
        ValueError: if the numbers of texts differ, or no word was said.
        DataError: jiwer, which aligns the words, is not installed.
    """
    try:
        import jiwer
    except ImportError as error:
        raise DataError("counting word errors needs jiwer; run `pip install 'medalign[dev]'`") from error
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references, {len(hypotheses)} hypotheses")
    said, heard = [plain(text) for text in references], [plain(text) for text in hypotheses]
    n_words = sum(len(text.split()) for text in said)
    if n_words == 0:
        raise ValueError("the references hold no word")
    # jiwer refuses empty references; whatever is heard there is inserted.
    spoken = [(a, b) for a, b in zip(said, heard, strict=True) if a]
    counts = jiwer.process_words([a for a, _ in spoken], [b for _, b in spoken])
    n_inserted = counts.insertions + sum(len(b.split()) for a, b in zip(said, heard, strict=True) if not a)
    return {
        "word_error_rate": (counts.substitutions + counts.deletions + n_inserted) / n_words,
        "n_words": n_words,
        "n_substituted": counts.substitutions,
        "n_deleted": counts.deletions,
        "n_inserted": n_inserted,
    }


def relative_change(before: float, after: float) -> float:
    """(after - before) / before: -0.1 is a tenth less.

    Raises:
        ValueError: if `before` is zero.
    """
    if before == 0:
        raise ValueError("there is no relative change from zero")
    return (after - before) / before
