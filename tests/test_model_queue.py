"""Who uses the models and who comes next, by a clock that the tests turn."""

import contextlib
import threading
import time

import pytest

from medalign.core.errors import MedAlignError
from medalign.ui import model_queue
from medalign.ui.model_queue import MAX_AUDIO_S, MAX_DECODING, Ahead, ModelQueue
from medalign.ui.views.status_view import waiting


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(model_queue, "LOOK_S", 0)
    return Clock()


@pytest.fixture
def queue(clock):
    return ModelQueue(max_waiting=2, clock=clock)


def test_place_and_time_follow_what_recordings_took_and_what_is_left_of_the_one_at_work(queue, clock):
    with queue.join() as earlier:
        assert list(earlier.wait(60.0)) == [], "nobody is before it"
        clock.now += 30.0
    with contextlib.ExitStack() as first, queue.join() as second, queue.join() as third:
        at_work = first.enter_context(queue.join())
        waits = [place.wait(120.0) for place in (second, third)]
        assert list(at_work.wait(600.0)) == [], "who is not ready yet does not hold others up"
        words = [waiting(next(wait)) for wait in waits]
        assert words == ["Waiting: 1 before you, about 5 minutes.", "Waiting: 2 before you, about 6 minutes."]
        at_work.tell(100.0)
        clock.now += 20.0
        expected = 120.0 * (30.0 + 100.0) / (60.0 + 600.0)  # by both recordings that something is known of
        assert [next(wait) for wait in waits] == [Ahead(1, 80.0), Ahead(2, pytest.approx(80.0 + expected))]
        clock.now += 1000.0
        assert next(waits[0]) == Ahead(1, 0.0), "overdue"
        first.close()
        assert list(waits[0]) == []
        assert waiting(next(waits[1])).startswith("Waiting: 1 before you, ")


def test_no_time_is_told_before_anything_is_known(queue):
    with queue.join() as first, queue.join() as second:
        assert list(first.wait(60.0)) == []
        assert waiting(next(second.wait(60.0))) == "Waiting: 1 before you."


def test_a_full_queue_is_one_sentence_and_has_room_again_when_somebody_leaves(queue):
    with queue.join() as first, queue.join():
        assert list(first.wait(60.0)) == []
        first.tell(200.0)
        with queue.join(), pytest.raises(MedAlignError, match="please try again in about 3 minutes$"), queue.join():
            pass
        with queue.join() as long, pytest.raises(MedAlignError, match="queue"):
            next(long.wait(MAX_AUDIO_S))
        with queue.join() as short:
            assert next(short.wait(60.0)).n == 2
    with queue.join() as alone:
        assert list(alone.wait(MAX_AUDIO_S)) == []


def test_a_few_recordings_are_decoded_at_once_in_the_order_of_arrival_whoever_uses_the_models(queue):
    order, going_on = [], threading.Event()

    def load(number: int) -> int:
        order.append(number)
        if number < MAX_DECODING:
            assert going_on.wait(10)
        return number

    with contextlib.ExitStack() as places:
        crowd = ModelQueue()
        steps = [places.enter_context(crowd.join()).decode(lambda n=n: load(n), waiting) for n in range(MAX_DECODING + 3)]
        at_it = [threading.Thread(target=list, args=[step], daemon=True) for step in steps[:MAX_DECODING]]
        for n, thread in enumerate(at_it, start=1):
            thread.start()
            wait_until(lambda n=n: len(order) == n)
        assert [next(step) for step in steps[MAX_DECODING:]] == [f"Waiting: {n} before you." for n in (4, 5, 6)]
        steps[-3].close()  # its reader has left
        assert next(steps[-2]) == "Waiting: 5 before you."
        going_on.set()
        for thread in at_it:
            thread.join(10)
        assert list(steps[-1]) == [] and list(steps[-2]) == []
    assert sorted(order[:MAX_DECODING]) == list(range(MAX_DECODING)) and order[MAX_DECODING:] == [6, 5]


def wait_until(is_so) -> None:
    """For a thread that is sure to do it."""
    while not is_so():
        time.sleep(0.001)


def test_a_recording_that_can_not_be_decoded_makes_room(queue):
    for _ in range(MAX_DECODING + 1):
        with pytest.raises(ZeroDivisionError), queue.join() as place:
            list(place.decode(lambda: 1 / 0, waiting))


def test_a_turn_comes_as_soon_as_the_one_before_ends_even_in_an_error(queue, monkeypatch):
    monkeypatch.setattr(model_queue, "LOOK_S", 60)
    done, waits = threading.Event(), threading.Event()

    def wait() -> None:
        with queue.join() as second:
            for _ in second.wait(1.0):
                waits.set()
            done.set()

    with pytest.raises(ZeroDivisionError), queue.join() as first:
        list(first.wait(1.0))
        threading.Thread(target=wait, daemon=True).start()
        assert waits.wait(10)
        raise ZeroDivisionError
    assert done.wait(10)


def test_what_an_analysis_freed_goes_back_to_the_system_however_it_ends(queue, monkeypatch):
    given_back = []
    monkeypatch.setattr(model_queue, "return_freed_memory", lambda: given_back.append(0))
    with queue.join() as place:
        assert list(place.wait(60.0)) == [] and not given_back
    with pytest.raises(KeyError), queue.join():
        raise KeyError
    assert given_back == [0, 0]
