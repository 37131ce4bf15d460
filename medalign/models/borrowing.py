"""A student and a teacher that borrow a GPU for what takes long, on ZeroGPU, and use the CPU if none is lent."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medalign.models import zero_gpu
from medalign.models.device import note
from medalign.models.frames import Chunks
from medalign.models.student import DEFAULT_STUDENT, Student
from medalign.models.teacher import DEFAULT_TEACHER, Teacher, listed_texts

log = logging.getLogger(__name__)

WORTH_IT = 10e9  # parameters times texts: about a second of a CPU, as long as it takes to be lent a GPU


def _borrowing(what: str, run: Callable[..., np.ndarray], *given: Any) -> np.ndarray | None:
    """The result from a lent GPU; None, with a notice, if none was lent or it failed there: then it is computed here."""
    try:
        return run(*given)
    except Exception as error:  # of `spaces`, Gradio's or its own: a quota, a queue, a process that ended
        log.warning("ZeroGPU: %s", type(error).__name__)
    note(f"No GPU was lent for {what}, perhaps because the day's share is used up; it went on, more slowly, on the CPU.")
    return None


class BorrowingStudent(Student):
    """Frames come from a lent GPU, all at once; the head, which is small, runs here."""

    loaded_as: str

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike[str] = DEFAULT_STUDENT, *, device: str = "cpu") -> "BorrowingStudent":
        student = super().from_pretrained(name)
        assert isinstance(student, cls)
        student.loaded_as = os.fspath(name)
        zero_gpu.hold("student", student.loaded_as, student.encoder)
        return student

    def frames_so_far(self, waveform: np.ndarray, chunks: Chunks | None = None) -> Iterator[Tensor]:
        """The whole from a lent GPU, without the chunks, or piece by piece from the CPU."""
        frames = _borrowing("the student", zero_gpu.frames_on_gpu, self.loaded_as, waveform)
        if frames is None:
            yield from super().frames_so_far(waveform, chunks)
        else:
            yield torch.from_numpy(frames).float()


class BorrowingTeacher(Teacher):
    """Many texts, or a large model's, go to a lent GPU."""

    def __init__(self, name: str = DEFAULT_TEACHER):
        super().__init__(name)
        self.loaded_as = name
        zero_gpu.hold("teacher", name, self.model)

    def encode(self, texts: Iterable[str], *, cache: Path | None = None) -> np.ndarray:
        texts = listed_texts(texts)
        if cache is None and len(texts) * self.model.n_parameters >= WORTH_IT:
            embedded = _borrowing("the teacher", zero_gpu.embeddings_on_gpu, self.loaded_as, texts)
            if embedded is not None:
                return self.checked(embedded)
        return super().encode(texts, cache=cache)
