"""How much of an encoder is trained: nothing, low-rank updates of its attention, its last layers, or all of it.

Conventions: an encoder is a frozen `AudioEncoder`; names of tensors are those inside `encoder.model`. LoRA is peft's
(Hu et al. 2022, arXiv:2106.09685), on the query and value projections, and starts as the unadapted encoder.
"""

import hashlib
from typing import cast

import torch
from safetensors.torch import save
from torch import Tensor, nn

from medalign.core.errors import CheckpointError
from medalign.core.weights import with_files
from medalign.models.adapter_config import AdapterConfig
from medalign.models.audio_encoder import AudioEncoder
from medalign.models.pretrained import check_fit

QUERY_AND_VALUE = r".*\.(q_proj|v_proj|query|value)"  # Whisper, wav2vec2 and relatives, AST of transformers 5; older AST
POST_NORM = {"data2vec-audio"}  # their blocks end with a norm of their own; the one beside the list comes first
READS_WEIGHTS_ONLY = {"wavlm"}  # calls no q_proj, but hands its weight to a fused function: LoRA would have no effect


def adapt(encoder: AudioEncoder, config: AdapterConfig) -> None:
    """Make exactly the adapter's parameters of a frozen encoder trainable, in place.

    Raises:
        CheckpointError: the encoder is adapted already, has no layer that this adapter could change, or peft is missing.
    """
    if any(p.requires_grad for p in encoder.parameters()):
        raise CheckpointError(f"encoder '{encoder.name}' is adapted already; load it anew before it is adapted again")
    if config.kind == "lora":
        _add_lora(encoder, config)
    elif config.kind == "last-k":
        for module in _last_modules(encoder, config.last_k):
            module.requires_grad_(True)
    elif config.kind == "full":
        encoder.model.requires_grad_(True)
    for name, parameter in encoder.model.named_parameters():
        if name in encoder.fixed:
            parameter.requires_grad_(False)


def trained_state(encoder: AudioEncoder) -> dict[str, Tensor]:
    """Copies of the tensors that the adapter may have changed, on the CPU; empty for a frozen encoder."""
    return {name: p.detach().cpu().clone() for name, p in encoder.model.named_parameters() if p.requires_grad}


def revision_of(encoder: AudioEncoder, config: AdapterConfig) -> str:
    """The encoder's revision as it hears now: that of its files where it is frozen, else also of what was trained of it.

    Whatever is kept of an encoder's hidden states is kept under this.
    """
    if config.kind == "frozen":
        return encoder.revision
    trained = save({name: tensor.contiguous() for name, tensor in trained_state(encoder).items()})
    return with_files(encoder.revision, {repr(config): hashlib.sha256(trained).hexdigest()})


def load_trained_state(encoder: AudioEncoder, state: dict[str, Tensor]) -> None:
    """Put a `trained_state` back into an encoder that is adapted in the same way.

    Raises:
        CheckpointError: names or shapes differ; the message lists them, and nothing has been changed.
    """
    trainable = {name: p for name, p in encoder.model.named_parameters() if p.requires_grad}
    remedy = "give a folder written by `medalign train`"
    check_fit(trainable, state, f"the trained state of encoder '{encoder.name}'", remedy=remedy)
    with torch.no_grad():
        for name, parameter in trainable.items():
            parameter.copy_(state[name])


def _add_lora(encoder: AudioEncoder, config: AdapterConfig) -> None:
    model_type = _model_type(encoder)
    if model_type in READS_WEIGHTS_ONLY:
        raise CheckpointError(f"lora has no effect on '{model_type}' ({encoder.name}); use last-k or full")
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise CheckpointError("the adapter lora needs peft, which is not installed; run `pip install peft`") from error
    lora = LoraConfig(r=config.rank, lora_alpha=cast(int, config.alpha), target_modules=QUERY_AND_VALUE)
    try:
        encoder.model = inject_adapter_in_model(lora, encoder.model)
    except ValueError as error:  # peft's answer to a pattern without a match
        raise CheckpointError(
            f"encoder '{encoder.name}' has no attention layers named q_proj and v_proj, or query and value; use full"
        ) from error


def _last_modules(encoder: AudioEncoder, k: int) -> list[nn.Module]:
    lists = {name: module for name, module in encoder.model.named_modules() if isinstance(module, nn.ModuleList)}
    lists = {name: blocks for name, blocks in lists.items() if len(blocks) and all(map(_attends, blocks))}
    if not lists:
        raise CheckpointError(f"encoder '{encoder.name}' has no list of transformer layers; use full")
    name, layers = max(lists.items(), key=lambda item: len(item[1]))
    if k > len(layers):
        raise CheckpointError(f"encoder '{encoder.name}' has {len(layers)} layers, fewer than last_k {k}; lower it or use full")
    # A norm beside the list closes it in pre-norm transformers, and opens it in post-norm ones.
    pre_norm = getattr(getattr(encoder.model, "config", None), "do_stable_layer_norm", _model_type(encoder) not in POST_NORM)
    parent = encoder.model.get_submodule(name.rpartition(".")[0])
    norms = [module for module in parent.children() if isinstance(module, nn.LayerNorm)] if pre_norm else []
    return [*layers[len(layers) - k :], *norms]


def _attends(block: nn.Module) -> bool:
    return any("attention" in name or "attn" in name for name, _ in block.named_children())


def _model_type(encoder: AudioEncoder) -> str:
    return getattr(getattr(encoder.model, "config", None), "model_type", "")
