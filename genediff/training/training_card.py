"""A model card: one page that says what a model is, from what, and what it is not for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genediff.models.model_info import ModelSpec


def model_card(spec: ModelSpec) -> str:
    """Return the card of a model as Markdown."""
    run, model = spec.run, spec.run.model
    values = "counts" if spec.has_counts else "log-normalised expression (its data held no counts)"
    conditions = "\n".join(
        f"- `{name}`: {len(levels)} levels ({', '.join(levels[:12])}{', …' if len(levels) > 12 else ''})"
        for name, levels in spec.levels.items()
    )
    known = "".join(f"\nBuilt on {what.replace('_', ' ')}: {title}." for what, title in spec.knowledge.items())
    ended = "" if spec.trained.get("finished", True) else "\n**Training was stopped before its end.**\n"
    how = "molecules read one by one"
    if model.space != "counts":
        how = f"{model.path.replace('_', ' ')} ({model.predict} prediction)"
    return f"""# {spec.title}

A generative model of single cells: {model.tokenizer} tokens, {model.space_name}, {how},
{spec.n_parameters:,} parameters. It generates {values} of {len(spec.genes):,} genes.
{ended}
## Data
Trained on the training cells of **{spec.dataset_name}** (data set `{spec.dataset_id}`). Genes, statistics and labels
come from those cells alone.{known}

## Conditions
{conditions or "None: it generates cells of the whole data set."}

## Training
Preset *{run.preset}*, seed {run.seed}, {spec.trained.get("seconds", 0):.0f} s on {spec.trained.get("device", "?")},
{spec.trained.get("cells_seen", 0):,} cells seen.
Created {spec.created} with genediff {spec.versions.get("genediff", "?")}.

## Limits
- It knows the cells, genes and labels it was trained on, and nothing else: generated cells are not measurements.
- Judge it by the evaluation beside it (`evaluation.json`), made on held-out cells next to the noise floor and simple
  baselines.
- Not for clinical use.
"""
