"""Work on a GPU that Hugging Face's ZeroGPU lends to the page for single calls.

A decorated function runs in a process that is forked from the page's at a call and may serve later ones. CUDA is there alone:

- Arguments and results are pickled, so they are names of models, arrays and texts.
- The page's process keeps its models on the CPU. A fork finds them in `_held`, which has no lock, since one that another
  thread holds during a fork is never released there; what has been loaded since the fork is loaded there again.
- Threads don't outlive a fork. The recogniser (CTranslate2) and the voice detector (onnxruntime) never run there, and PyTorch
  has one thread for what it does on the CPU.

It has to be imported before the page is launched, since ZeroGPU refuses a page without such functions; hence PyTorch is
imported inside them. Source: spaces 0.51.3, `zero/wrappers.py` and `zero/torch/patching.py`.
"""

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from medalign.core.audio import SAMPLE_RATE_HZ

DEVICE = "cuda"
# What is asked for, seconds: a shorter call waits less and costs a reader less of their daily share. Not measured on ZeroGPU.
START_S = 10  # fork, CUDA, and the models' way to the card
SOUND_S_PER_S, TEXTS_PER_S = 50, 100
LONGEST_S = 120  # all that a reader has in a day who is not signed in

_held: dict[tuple[str, str], Any] = {}  # kind and name to what computes, on the CPU
_moved: dict[tuple[str, str], Any] = {}  # the same on the card, in a fork


def hold(kind: str, name: str, model: Any) -> None:
    """Have forks find a student's encoder or a teacher's text model under the name that it is loaded by."""
    _held[kind, name] = model


def seconds_for_sound(name: str, waveform: Float[np.ndarray, " samples"]) -> int:
    return min(LONGEST_S, START_S + math.ceil(len(waveform) / SAMPLE_RATE_HZ / SOUND_S_PER_S))


def seconds_for_texts(name: str, texts: Sequence[str]) -> int:
    return min(LONGEST_S, START_S + math.ceil(len(texts) / TEXTS_PER_S))


def _lent(duration: Callable[..., int]) -> Callable[[Callable], Callable]:
    """`spaces.GPU` where `app.py` found that module; elsewhere nothing."""
    spaces = sys.modules.get("spaces")
    return spaces.GPU(duration=duration) if spaces is not None else lambda function: function


@_lent(seconds_for_sound)
def frames_on_gpu(name: str, waveform: Float[np.ndarray, " samples"]) -> Float[np.ndarray, "frames dim"]:
    """A student's frames of a recording, in half precision: an hour of them travels as 140 MB."""
    from medalign.models.device import half_precision
    from medalign.models.frames import frames_so_far
    from medalign.models.student import GPU_BATCH, Student

    def move(encoder: Any) -> Any:
        return encoder.to(DEVICE, half_precision()) if DEVICE == "cuda" else encoder

    encoder = _on_device("student", name, lambda: Student.from_pretrained(name).encoder, move)
    *_, frames = frames_so_far(encoder, waveform, GPU_BATCH)
    return frames.half().numpy()


@_lent(seconds_for_texts)
def embeddings_on_gpu(name: str, texts: Sequence[str]) -> Float[np.ndarray, "n dim"]:
    """A teacher's embeddings of texts."""
    from medalign.models.teacher import Teacher

    model = _on_device("teacher", name, lambda: Teacher(name).model, lambda model: model.to(DEVICE))
    return model.encode(list(texts))


def _on_device(kind: str, name: str, load: Callable[[], Any], move: Callable[[Any], Any]) -> Any:
    import torch

    torch.set_num_threads(1)
    if (kind, name) not in _moved:
        _moved[kind, name] = move(_held.get((kind, name)) or load())
    return _moved[kind, name]
