"""What a reader must have read before a recording of theirs is touched; enforced on the server, for the API, too.

Nobody is asked once and for all: the box is empty on every visit, since the next recording may have other people in it.
"""

from medalign.core.analysis import DISCLAIMER
from medalign.core.errors import MedAlignError

NOTICE = """
<section class="data-notice" aria-label="Before you record or upload"><p><strong>Before you record or upload.</strong>
Use synthetic recordings, or recordings that everyone in them agreed to and that identify nobody. The sound is processed
on this server and seen by nobody else; it is deleted within about an hour, or at once by “Delete now”. Nothing else is
kept, except feedback: what you press of Right, Not said and Other status, your votes and what you send, each at once, without
sound, name or address. This is research software, not a medical device.</p></section>
"""
LABEL = "I have read this. Everyone in the recording agreed, or it is synthetic; it is not for patient care."
ON_THE_PAGE, IN_THE_API = "tick its box", "send acknowledged=true"


def check(acknowledged: object, how: str = IN_THE_API) -> None:
    """Raises MedAlignError unless the notice was acknowledged, by exactly `True`; it says how that is done."""
    if acknowledged is not True:
        agreed = "Use synthetic recordings, or recordings that everyone in them agreed to."
        raise MedAlignError(f"Confirm the data notice first: {how}. {agreed} {DISCLAIMER}")
