"""How much feedback this process takes from one address, and from all together; a press counts once, whatever it stores.

The key is the address because a client chooses its session itself. It is kept only as a hash, salted anew by each process,
and only in memory.
"""

import ipaddress
import secrets
import time
from collections.abc import Callable

import gradio as gr

from medalign.feedback.limits import RateLimit
from medalign.feedback.records import salted_id

DAY_S = 86_400.0


class Presses:
    """Plain class on purpose: one for a page and all of its readers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._salt = secrets.token_bytes(32)
        # A hospital may have one address: as much as a few quick people do at once.
        self._of_address = (RateLimit(120, clock=clock), RateLimit(5000, DAY_S, clock=clock))
        self._of_all = RateLimit(600, clock=clock)

    def count(self, request: gr.Request, allowance: str = "give") -> None:
        """Count one press, before anything of it is stored. What counts under another allowance does not count here.

        Raises:
            FeedbackError: too many; says how long to wait.
        """
        key = f"{allowance} {salted_id(_network(request), self._salt)}"
        for limit in self._of_address:
            limit.count(key)
        self._of_all.count(allowance)  # last: presses that are refused must not use up everybody's


def _network(request: gr.Request) -> str:
    """The address that the server sees; of IPv6 the network, since a customer gets 2**64 addresses."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address.packed[:8] + bytes(8), 64)))
    return str(address)
