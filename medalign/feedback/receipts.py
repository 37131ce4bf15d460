"""The receipt: a code that alone lets its holder see, change and withdraw what they said. Only its hash is stored.

One code may stand over several submissions, of several results: `CODE/2` is the address of the second. Of each only the hash is
stored, so that nobody without the code can tell that they are one person's.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

from medalign.core.errors import FeedbackError
from medalign.feedback.checks import quoted

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing to be mistaken: neither 0 and O, nor 1, I and L, nor U beside V
N_GROUPS, GROUP = 3, 4  # 30 ** 12 codes: 59 bits
MAX_SUBMISSIONS = 500  # under one code
EXAMPLE = "K7QM-3FDA-9XPT"
NUMBERS = [str(number) for number in range(2, MAX_SUBMISSIONS + 1)]


@dataclass(frozen=True)
class Receipt:
    """Shown to the person; without it nothing can be withdrawn, since nothing else identifies them."""

    code: str = field(repr=False)  # or an address under it; not in logs
    submission_id: str


def new_code() -> str:
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(N_GROUPS))


def hash_of(code: object) -> str:
    """SHA-256 of the code, or of an address under it, however it was typed: blanks, hyphens and case don't matter.

    Raises:
        FeedbackError: it is no receipt code.
    """
    typed, _, number = code.partition("/") if isinstance(code, str) and len(code) < 100 else ("", "", "")
    plain = "".join(c for c in typed.upper() if c.isalnum())
    if number and number not in NUMBERS:
        plain = ""
    if len(plain) != N_GROUPS * GROUP or not set(plain) <= set(ALPHABET):
        raise FeedbackError(f"{quoted(code)} is no receipt code; one looks like {EXAMPLE}")
    return hashlib.sha256((f"{plain}/{number}" if number else plain).encode()).hexdigest()


def code_of(address: object) -> str:
    """The code that a person has; empty if that is no text."""
    return address.partition("/")[0] if isinstance(address, str) else ""


def addresses(code: object) -> dict[str, str]:
    """The hash of each address that there may be under a code -> the address, the code itself first. Raises
    FeedbackError: it is no receipt code."""
    plain = code_of(code)
    return {hash_of(address): address for address in (plain, *(f"{plain}/{number}" for number in NUMBERS))}
