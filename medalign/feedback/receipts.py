"""The receipt: a code that alone lets its holder see, change and withdraw what they said. Only its hash is stored."""

import hashlib
import secrets
from dataclasses import dataclass, field

from medalign.core.errors import FeedbackError
from medalign.feedback.checks import quoted

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing to be mistaken: neither 0 and O, nor 1, I and L, nor U beside V
N_GROUPS, GROUP = 3, 4  # 30 ** 12 codes: 59 bits
EXAMPLE = "K7QM-3FDA-9XPT"


@dataclass(frozen=True)
class Receipt:
    """Shown to the person once; without it nothing can be withdrawn, since nothing else identifies them."""

    code: str = field(repr=False)  # not in logs
    submission_id: str


def new_code() -> str:
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(N_GROUPS))


def hash_of(code: object) -> str:
    """SHA-256 of the code, however it was typed: blanks, hyphens and case don't matter.

    Raises:
        FeedbackError: it is no receipt code.
    """
    plain = "".join(c for c in code.upper() if c.isalnum()) if isinstance(code, str) and len(code) < 100 else ""
    if len(plain) != N_GROUPS * GROUP or not set(plain) <= set(ALPHABET):
        raise FeedbackError(f"{quoted(code)} is no receipt code; one looks like {EXAMPLE}")
    return hashlib.sha256(plain.encode()).hexdigest()
