"""The card of a model of responses: what it knows, how far it leaves its baselines, and how that did on test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.perturbation.model.model_kinds import KINDS

if TYPE_CHECKING:
    from genediff.models.response_info import ResponseInfo


def response_card(info: ResponseInfo) -> str:
    """Return the card as Markdown."""
    network = f"\nKnock-outs run along {info.network}." if info.network else ""
    decided = "\n".join(
        f"- {KINDS[kind]}: starts at *{gate['baseline'].replace('_', ' ')}*, weight {gate['weight']:g}. {gate['why']}"  # type: ignore[index]
        for kind, gate in info.gates.items()
    )
    tested = "\n".join(
        f"| {KINDS[kind]} | {row['n']:.0f} | {row['r']:.3f} | {row['r_baseline']:.3f} | {row['error']:.4f} | "  # type: ignore[index]
        f"{row['error_baseline']:.4f} | {row['harm']:.0%} | {_share(row.get('covered'))} |"
        for kind, row in info.tested.items()
    )
    return f"""# {info.title}

Predicts how cells of **{info.dataset_name}** respond to a perturbation. Trained on {info.n_trained} measured
perturbations (of one context each), in {info.trained.get("seconds", 0):.0f} s.{network}

## How far it leaves the baselines
Each kind of question starts at the best simple baseline. The weight (0 to 1) is how far predictions go from there
towards the model; it is above 0 only where that helped on perturbations that were left out. It was chosen on these very
perturbations, so their gains are flattered; the test part took no part.

{decided}

## On the test part
Correlation r and mean squared error of predicted and measured mean changes; harm is the share of perturbations with a
larger error than the baseline's; covered is the share of genes whose measured change the 90% interval held.

| kind | perturbations | r | r, baseline | error | error, baseline | harm | covered |
| --- | --- | --- | --- | --- | --- | --- | --- |
{tested or "| none held out | | | | | | | |"}

## Limits
- Predictions are not measurements. Intervals are meant to hold nine in ten genes of perturbations like those left out,
  on average over perturbations; a single one may do better or worse.
- It knows the genes, cells and conditions of its data set, and nothing else.
- Not for clinical use.

Created {info.created} with genediff {info.versions.get("genediff", "?")}.
"""


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
