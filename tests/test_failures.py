"""Errors on the page: told in one sentence where somebody can act on them, kept in the log where not."""

import pytest

from medalign.core.errors import MedAlignError
from medalign.ui.failures import Failure, caught


@pytest.mark.parametrize("error", [MedAlignError("the folder is gone; give another"), KeyError("secret")])
def test_an_error_becomes_a_sentence_and_only_a_bug_is_logged(error, caplog):
    def handler():
        raise error

    def stream():
        yield "first"
        raise error

    called = caught(handler, lambda failure: failure)()
    first, streamed = caught(stream, lambda failure: failure, lambda: "reading")()
    assert first == "first" and isinstance(streamed, Failure)
    if isinstance(error, MedAlignError):
        assert called == streamed == Failure(str(error), "refused") and not caplog.records
    else:
        assert called.outcome == streamed.outcome == "failed" and "secret" not in called.sentence
        assert "while reading" in streamed.sentence and "secret" in caplog.text


def test_what_gradio_reads_off_a_handler_stays():
    def handler(one: int, two: str = "") -> str:
        return f"{one}{two}"

    wrapped = caught(handler, lambda failure: failure.sentence)
    assert wrapped.__annotations__ == handler.__annotations__ and wrapped(1, "b") == "1b"
