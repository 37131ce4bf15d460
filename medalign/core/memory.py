"""Memory that is free again goes back to the system, where the C library would keep it."""

import ctypes
import sys

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None  # glibc's own


def return_freed_memory() -> None:
    """glibc keeps a heap for each thread that has computed; that can be hundreds of MB."""
    if _trim is not None:
        _trim(0)
