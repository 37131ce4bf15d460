"""Several iterators at once: everything arrives, in each one's order, and an early end stops them all."""

import subprocess
import sys
import threading

import pytest

from medalign.pipeline.interleave import END, interleave


def test_everything_arrives_in_the_order_of_its_source():
    found = list(interleave({"a": iter(range(50)), "b": iter("xyz")}))
    assert [item for name, item in found if name == "a"] == [*range(50), END]
    assert [item for name, item in found if name == "b"] == [*"xyz", END]


def test_a_quick_source_need_not_wait_for_a_slow_one():
    gate = threading.Event()

    def slow():
        assert gate.wait(10)
        yield "late"

    found = interleave({"slow": slow(), "quick": iter(["early"])})
    assert [next(found), next(found)] == [("quick", "early"), ("quick", END)]
    gate.set()
    assert list(found) == [("slow", "late"), ("slow", END)]


def test_an_error_comes_out_where_the_items_do():
    def broken():
        yield 1
        raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        list(interleave({"broken": broken()}))


def test_closing_early_stops_the_sources():
    gate = threading.Semaphore(1)
    drawn = []

    def endless():
        while gate.acquire(timeout=30):
            drawn.append(1)
            yield len(drawn)

    found = interleave({"endless": endless()})
    next(found)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "draw-endless")
    found.close()
    gate.release(10)  # it could draw ten more
    thread.join(30)
    assert not thread.is_alive() and len(drawn) == 2, "the one it was waiting for, and no other"


LEAVING = """
import time
from medalign.core import background
from medalign.pipeline.interleave import interleave

def slow():
    yield "first"
    time.sleep({s})  # as in a library's code, which nothing interrupts
    print("came to its end")
    yield "second"
    yield print("was asked for more")

background.WAIT_S = {wait_s}
for _ in interleave({{"slow": slow()}}):
    break
"""


def test_a_process_that_left_early_ends_after_the_item_that_was_under_way_within_a_limit():
    """A thread in C++ would take the process down if the interpreter ended first: SIGABRT."""
    for s, wait_s, told in ((0.5, 60, "came to its end\n"), (600, 0.1, "")):
        command = [sys.executable, "-c", LEAVING.format(s=s, wait_s=wait_s)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        assert (done.returncode, done.stdout, done.stderr) == (0, told, "")
