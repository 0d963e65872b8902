"""Starting points for a run, each with the sentence that the Train page shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.models.config import SPACE_NAMES, ModelConfig, RunConfig, SampleConfig, TrainConfig

if TYPE_CHECKING:
    from genediff.data.cells.dataset import DatasetInfo
    from genediff.tokenizers import Tokenizer


@dataclass(frozen=True)
class Preset:
    """A named set of options."""

    name: str
    title: str
    sentence: str
    model: ModelConfig
    train: TrainConfig
    sample: SampleConfig = SampleConfig()
    strategies: tuple[str, ...] = ()
    """The strategies it is for; empty: all."""
    others: dict[str, float] = field(default_factory=dict)
    """What changes in training for strategies other than latent tokens, whose tokens are more and dearer."""


# The published models do not hide anything from their encoders, nor shrink their decoders.
_PLAIN: dict[str, float] = {"input_dropout": 0.0, "thinning": 0.0, "shrinkage": 0.0}

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "quick",
            "Quick",
            "A few minutes on a laptop: 8 tokens and a small transformer. The place to begin.",
            # Two tokens a place: a step costs little more than half, and how many cells the flow sees decides how good
            # it gets (measured in benchmarks/generation_notes.md).
            ModelConfig(tokenizer_options={"n_tokens": 8, "n_channels": 4}, width=128, depth=4, heads=4, patch=2),
            TrainConfig(tokenizer_steps=1500, steps=3200, batch_size=256, ema=0.999, patience=0),
            others={"steps": 2000, "batch_size": 128, "ema": 0.998},
        ),
        Preset(
            "standard",
            "Standard",
            "64 tokens and 8 layers of 256: for a GPU, or a night on a CPU.",
            ModelConfig(
                tokenizer_options={"n_tokens": 64, "n_channels": 2, "hidden": 512},
                width=256,
                depth=8,
                heads=8,
            ),
            TrainConfig(tokenizer_steps=3000, steps=10_000, learning_rate=5e-4, ema=0.999, patience=0),
        ),
        Preset(
            "large",
            "Large",
            "128 tokens and 16 layers of 512: for atlases, on a GPU.",
            ModelConfig(
                tokenizer_options={"n_tokens": 128, "n_channels": 4, "hidden": 1024, "decoder_hidden": 512},
                width=512,
                depth=16,
                heads=16,
            ),
            TrainConfig(
                tokenizer_steps=20_000, steps=200_000, batch_size=512, learning_rate=3e-4, ema=0.9999, patience=0
            ),
        ),
        Preset(
            "paper",
            "Paper",
            "The sizes of published latent transformers: 64 tokens, 12 layers of 512, rectified flow. For a GPU; the "
            "estimate below says how long it would take here.",
            ModelConfig(
                tokenizer_options={"n_tokens": 64, "n_channels": 8, "hidden": 1024, "decoder_hidden": 256},
                width=512,
                depth=12,
                heads=8,
            ),
            TrainConfig(
                tokenizer_steps=10_000, steps=100_000, batch_size=256, learning_rate=3e-4, ema=0.9999, patience=0
            ),
            strategies=("latent",),
        ),
        Preset(
            "cfgen-style",
            "CFGen-style",
            "Our re-implementation of the idea of CFGen (Palma et al. 2025), not their code: one 50-number vector "
            "instead of tokens, an MLP, additive guidance, an adaptive solver.",
            ModelConfig(
                tokenizer_options={
                    "n_tokens": 1,
                    "n_channels": 50,
                    "decoder": "mlp",
                    "noise": "fixed",
                    "std": 0.0,
                },
                ambient=False,
                backbone="mlp",
                width=256,
                depth=4,
                times="uniform",
                guidance="additive",
            ),
            TrainConfig(tokenizer_steps=1500, steps=5000, batch_size=256, **_PLAIN),
            SampleConfig(sampler="dopri5"),
            strategies=("latent",),
        ),
        Preset(
            "scldm-style",
            "scLDM-style",
            "Our re-implementation of the idea of scLDM (Palla et al. 2025), not their code: 16 latent tokens of 16 "
            "numbers, a transformer, velocity prediction at uniform times, joint guidance, an adaptive solver.",
            ModelConfig(
                tokenizer_options={
                    "n_tokens": 16,
                    "n_channels": 16,
                    "decoder": "mlp",
                    "beta": 0.001,
                },
                ambient=False,
                width=128,
                depth=4,
                heads=4,
                times="uniform",
            ),
            TrainConfig(tokenizer_steps=1500, steps=2000, batch_size=128, ema=0.998, **_PLAIN),
            SampleConfig(sampler="dopri5"),
            strategies=("latent",),
        ),
    )
}


MANY_GENES = 2000

# What a strategy takes where it needs gene sets or a network and none was named: both ship with GeneDiff.
DEFAULT_KNOWLEDGE = {"gene_sets": "hallmark", "network": "collectri"}


def preset_run(
    name: str,
    dataset: DatasetInfo,
    *,
    strategy: str = "latent",
    space: str | None = None,
    conditions: tuple[str, ...] | None = None,
    seed: int = 0,
    title: str = "",
) -> RunConfig:
    """Return the run that a preset means for a data set.

    Parameters
    ----------
    strategy
        How cells are cut into tokens; each strategy says what the preset means for it.
    space
        "latent", "gene" or "counts"; the strategy's own (`Tokenizer.default_space`) where None.
    conditions
        The obs columns to condition on; None takes the data set's label.

    Raises
    ------
    InputError
        For an unknown preset, strategy or space, or a preset or space that is not for that strategy or these data.
    """
    from genediff.tokenizers import TOKENIZERS

    if strategy not in TOKENIZERS:
        raise InputError(f"unknown strategy {strategy!r}; known: {', '.join(TOKENIZERS)}")
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}; known: {', '.join(PRESETS)}")
    preset = PRESETS[name]
    if conditions is None:
        conditions = (dataset.label,) if dataset.label else ()
    changes: dict[str, object] = {"conditions": conditions}
    if not dataset.has_counts and preset.model.space == "latent":
        changes["likelihood"] = "gaussian"
    run = RunConfig(
        name=title,
        dataset_id=dataset.id,
        preset=name,
        seed=seed,
        model=preset.model.model_copy(update=changes),
        train=preset.train,
        sample=preset.sample,
    )
    if strategy != "latent":
        run = _with_strategy(run, preset, TOKENIZERS[strategy])
    run = run.model_copy(update={"train": _fitted(run.train, dataset)})
    return _in_space(run, TOKENIZERS[strategy], space, has_counts=dataset.has_counts)


def _fitted(train: TrainConfig, dataset: DatasetInfo) -> TrainConfig:
    """Return how much is hidden from the encoder of these data (measured in benchmarks/generation_notes.md).

    Half of 2,000 genes still tells what a cell is, half of 299 does not. Without counts nothing can be thinned, so
    more genes are hidden instead.
    """
    if not (train.input_dropout or train.thinning or train.shrinkage):
        return train
    if dataset.has_counts:
        share = min(1.0, (dataset.n_genes / MANY_GENES) ** 0.5)
        values = (train.input_dropout * share, train.thinning * share, train.shrinkage * share**2)
    else:
        values = (1.5 * train.input_dropout, 0.0, 4 * train.shrinkage)
    dropout, thinning, shrinkage = (round(value, 3) for value in values)
    return train.model_copy(update={"input_dropout": dropout, "thinning": thinning, "shrinkage": shrinkage})


def _with_strategy(run: RunConfig, preset: Preset, kind: type[Tokenizer]) -> RunConfig:
    if preset.strategies and kind.name not in preset.strategies:
        raise InputError(
            f"the preset {preset.name!r} is for {', '.join(preset.strategies)} tokens; choose quick, standard or large"
        )
    own = kind.presets.get(preset.name, {})
    model: dict[str, object] = {"tokenizer": kind.name, "tokenizer_options": dict(own.get("options", {})), "patch": 1}
    model |= {need: DEFAULT_KNOWLEDGE[need] for need in kind.needs}
    return run.model_copy(
        update={
            "model": run.model.model_copy(update={**model, **own.get("model", {})}),
            "train": run.train.model_copy(update={**preset.others, **own.get("train", {})}),
        }
    )


# Molecules of a cell are read in this many batches, and training stops where held-out cells say so.
COUNT_STEPS = 10
COUNT_TRAINING = {"patience": 4, "validate_every": 100, "ema": 0.99, "weight_decay": 0.1}


def _in_space(run: RunConfig, kind: type[Tokenizer], space: str | None, *, has_counts: bool) -> RunConfig:
    space = space or kind.default_space(has_counts=has_counts)
    if space == "counts" and not has_counts:
        raise InputError("These data hold no counts, so no model can work in count space; choose latent or gene.")
    if space not in kind.spaces:
        *others, last = kind.spaces
        raise InputError(
            f"{kind.title} do not work in {SPACE_NAMES.get(space, space)}; choose {', '.join(others)} or {last}."
        )
    if space == "counts":
        return _in_count_space(run)
    if space == "gene":  # the network then predicts the data
        return run.model_copy(update={"model": run.model.model_copy(update={"space": "gene", "predict": "data"})})
    return run.model_copy(update={"model": run.model.model_copy(update={"space": space})})


def _in_count_space(run: RunConfig) -> RunConfig:
    """Return the same run in count space, trained until held-out cells are no longer likelier for it."""
    return run.model_copy(
        update={
            "model": run.model.model_copy(update={"space": "counts", "predict": "data"}),
            "train": run.train.model_copy(
                update={**COUNT_TRAINING, "learning_rate": run.train.learning_rate / 2}  # it learns a correction
            ),
            "sample": run.sample.model_copy(update={"sampler": "heun", "n_steps": COUNT_STEPS}),
        }
    )
