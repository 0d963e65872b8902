"""What of a model learns in an adaptation: low-rank matrices beside linear layers, rows of new labels, gene vectors.

Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1; the layers are those of peft.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.models.generative_model import GenerativeModel

ADAPTER = "default"  # peft's own name for the first adapter of a module


def adaptable(model: GenerativeModel, rank: int) -> tuple[str, ...]:
    """Return the names of the linear layers that an adapter of this rank is smaller than.

    Raises
    ------
    InputError
        When there is none.
    """
    names = tuple(
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and rank * (module.in_features + module.out_features) < module.in_features * module.out_features
    )
    if not names:
        raise InputError(f"no layer of this model is large enough for rank {rank}; choose a lower rank")
    return names


def gene_vectors(model: GenerativeModel) -> tuple[str, ...]:
    """Return the names of parameters with one number per gene, and of all that the count head has."""
    n_genes = len(model.genes)
    return tuple(
        name
        for name, p in model.named_parameters()
        if name.startswith("autoencoder.head.") or (p.ndim == 1 and len(p) == n_genes)
    )


def make_adaptable(model: GenerativeModel, *, rank: int, alpha: float, known: Sequence[int]) -> tuple[str, ...]:
    """Freeze a model but for what an adaptation learns; return the names of the adapted layers.

    The new matrices are drawn from torch's global generator and their product starts at zero.

    Parameters
    ----------
    known
        For each condition, the number of levels whose rows stay as they are, as does that of "no label"; where it is
        zero the whole table learns.
    """
    import peft  # several seconds, and nothing but training needs it

    names, free = adaptable(model, rank), gene_vectors(model)
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(names))  # type: ignore[arg-type]
    peft.inject_adapter_in_model(config, model)
    for name, p in model.named_parameters():
        # A bias of an adapted layer has moved into the layer that peft keeps inside.
        p.requires_grad_(".lora_" in name or name.replace(".base_layer", "") in free)
    for table, n_known in zip(tables(model), known, strict=True):
        table.weight.requires_grad_(True)
        if n_known:
            mask = torch.ones(len(table.weight), 1, device=model.device)
            mask[:n_known] = mask[-1] = 0
            table.weight.register_hook(mask.mul)
    return names


def tables(model: GenerativeModel) -> list[nn.Embedding]:
    """Return the tables of levels, one per condition."""
    condition = model.denoiser.backbone.steering.condition
    return [] if condition is None else [table for table in condition.tables if isinstance(table, nn.Embedding)]


def learned(model: GenerativeModel, names: Sequence[str], *, known: Sequence[int]) -> dict[str, Tensor]:
    """Return what an adaptation has learned, as `genediff.models.adapted_weights` names it."""
    out: dict[str, Tensor] = {}
    for name in names:
        layer = model.get_submodule(name)
        out[f"down.{name}"] = layer.get_submodule(f"lora_A.{ADAPTER}").weight.detach().clone()  # type: ignore[operator]
        out[f"up.{name}"] = layer.get_submodule(f"lora_B.{ADAPTER}").weight.detach().clone()  # type: ignore[operator]
    for i, (table, n_known) in enumerate(zip(tables(model), known, strict=True)):
        weight = table.weight.detach().clone()
        out[f"rows.{i}"] = weight[n_known:-1] if n_known else weight
    for name, p in model.named_parameters():
        if p.requires_grad and ".lora_" not in name and "steering.condition" not in name:
            out[f"set.{name.replace('.base_layer', '')}"] = p.detach().clone()
    return out
