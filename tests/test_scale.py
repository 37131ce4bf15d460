"""What grows with what: a bank of any size, lengths of any number, and the costs beside those of the first row."""

from concurrent.futures import Future

import pytest

from medalign.concepts import ConceptBank, find_mentions, transcript_from_text
from medalign.pipeline import scale


def test_a_larger_bank_holds_the_own_concepts_and_others_that_nobody_says():
    own = ConceptBank.default()
    small, large = scale.bank_of(50), scale.bank_of(len(own) + 40)
    assert small.concepts == own.concepts[:50] and large.concepts[: len(own)] == own.concepts and len(large) == len(own) + 40
    assert len({concept.concept_id for concept in large.concepts}) == len(large)
    words = transcript_from_text("I have a fever and a headache.")
    assert find_mentions(words, large) == find_mentions(words, own)


def test_costs_are_told_beside_the_first_rows(monkeypatch):
    class AtOnce:
        def __init__(self, *_, **__): ...

        __enter__ = __exit__ = lambda self, *_: self

        def submit(self, function, *arguments):
            future = Future()
            future.set_result(function(*arguments))
            return future

    monkeypatch.setattr(scale, "ProcessPoolExecutor", AtOnce)
    monkeypatch.setattr(scale, "analysed", lambda minutes: {"minutes": minutes, "cpu_s": 10.0 + minutes})
    monkeypatch.setattr(scale, "_with_concepts", lambda n: {"n_concepts": n, "reading_cpu_s": 2.0, "hearing_cpu_s": 0.01 * n})
    figures = scale.measure_scale([10, 40], [100, 1000])
    assert [row["cpu_s_of_linear"] for row in figures["lengths"]] == [1.0, pytest.approx(0.62, abs=0.01)]
    assert [row["reading_cpu_s_of_linear"] for row in figures["concepts"]] == [1.0, 0.1]
    assert [row["hearing_cpu_s_of_linear"] for row in figures["concepts"]] == [1.0, 1.0]
    assert scale.measure_scale([], [100])["lengths"] == []
