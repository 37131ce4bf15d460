"""What is embedded of a recording is embedded once."""

import numpy as np
import pytest
import torch

from medalign.models.frames import embedded
from medalign.models.head import AlignmentHead, HeadConfig
from medalign.pipeline.embedded_once import EmbeddedOnce


def test_only_what_is_new_is_embedded_and_rows_come_in_the_order_asked_for() -> None:
    asked: list[list[str]] = []

    def embed(new: list[str]) -> np.ndarray:
        asked.append(new)
        return np.array([[len(text), ord(text[0])] for text in new], float)

    once = EmbeddedOnce()
    first = once.rows(["yes", "no", "yes"], embed)
    assert first.tolist() == [[3, 121], [2, 110], [3, 121]]
    assert once.rows(["well", "no"], embed).tolist() == [[4, 119], [2, 110]]
    assert asked == [["yes", "no"], ["well"]]


def test_stretches_of_any_length_in_any_order_are_embedded_as_each_is_alone() -> None:
    torch.manual_seed(0)
    head = AlignmentHead(HeadConfig(encoder_dim=8, embed_dim=6, model_dim=10)).eval()
    stretches = [torch.randn(n, 8) for n in (300, 17, 90, 1, 750, 17)]
    with torch.inference_mode():
        together = embedded(head, stretches)
        alone = torch.cat([embedded(head, [stretch]) for stretch in stretches])
    assert together.numpy() == pytest.approx(alone.numpy(), abs=1e-5)
