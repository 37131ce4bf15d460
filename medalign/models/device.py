"""Which device the models run on."""

from medalign.core.errors import WeightsError


def choose_device(device: str) -> str:
    """`auto` is a GPU if PyTorch sees one; asking for one that isn't there is an error."""
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise WeightsError(f"unknown device '{device}'; use auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise WeightsError("device 'cuda' was asked for, but PyTorch sees no GPU; use --device cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
