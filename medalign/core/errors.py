"""The errors a user can act on.

Every message says what is wrong, where, what was expected and what to do, in one sentence. `MedAlignError` is caught in
two places only, the command line and the page; anything else is a bug and keeps its traceback.
"""


def printable(text: str) -> str:
    """One line that neither steers a terminal nor fails to be written as UTF-8, as names of files may."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class MedAlignError(Exception):
    """Root of all errors that a user can act on. What a message quotes of a file or its name can be printed anywhere."""

    for_readers: str | None = None  # what visitors of the page are told instead, where the message is for the operator alone

    def __init__(self, message: str = ""):
        super().__init__("\n".join(map(printable, message.split("\n"))))


class AudioError(MedAlignError):
    """The recording can't be read, or lies outside the stated limits."""


class WeightsError(MedAlignError):
    """A model's files can't be found, or are not the files they should be."""


class CheckpointError(MedAlignError):
    """A student checkpoint doesn't fit the model that it should be loaded into."""


class DataError(MedAlignError):
    """Training or evaluation data are missing or malformed."""


class TrainingError(MedAlignError):
    """A training run can't start or go on: batch too small, loss not finite, embeddings collapsed, foreign state."""


class BatchError(MedAlignError):
    """A batch can't start or go on: another run's folder, models that are not to be had, Ray out of reach."""


class FeedbackError(MedAlignError):
    """Feedback can't be taken, found or stored: out of bounds, unknown receipt, too often, database out of reach."""
