"""The card of an adapted model: the card of any model, what it stands on, and what adapting was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.training.training_card import model_card

if TYPE_CHECKING:
    from genediff.models.adapter_info import AdapterInfo
    from genediff.models.model_info import ModelSpec
    from genediff.training.adapt.gain import Gain


def adapter_card(spec: ModelSpec, info: AdapterInfo, gain: Gain | None = None) -> str:
    """Return the card of an adapted model as Markdown."""
    new = "\n".join(f"- `{column}`: {', '.join(names)}" for column, names in info.new_levels.items() if names)
    n_shared = len(spec.genes) - len(info.not_measured)
    measured = gain.to_markdown() if gain is not None else "Not measured."
    return f"""{model_card(spec)}
## Adapter
A LoRA adapter of rank {info.rank} (alpha {info.alpha:g}) on **{info.base_title}** (model `{info.base_id}`), whose
weights are unchanged: {info.n_trained:,} numbers were trained in {len(info.targets)} layers, in rows for new levels and
in one vector per gene of the decoder. It needs that base in the library.

{n_shared:,} of the model's {len(spec.genes):,} genes were measured in the new data; {len(info.not_measured):,} were not
and are generated as the base knows them. {info.n_left_out:,} genes of the data are unknown to the model.

New levels:
{new or "None."}

## Gain over the unadapted model
{measured}
"""
