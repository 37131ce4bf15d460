"""Who uses the models and who comes next, by a clock that the tests turn."""

import contextlib
import threading

import pytest

from medalign.core.errors import MedAlignError
from medalign.ui import model_queue
from medalign.ui.model_queue import MAX_AUDIO_S, Ahead, ModelQueue
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
