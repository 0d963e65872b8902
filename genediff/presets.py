"""Starting points for a run, each with the sentence that the Train page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genediff.config import ModelConfig, RunConfig, SampleConfig, TrainConfig
from genediff.errors import InputError

if TYPE_CHECKING:
    from genediff.data.dataset import DatasetInfo


@dataclass(frozen=True)
class Preset:
    """A named set of options."""

    name: str
    title: str
    sentence: str
    model: ModelConfig
    train: TrainConfig
    sample: SampleConfig = SampleConfig()


# The published models do not hide anything from their encoders, nor shrink their decoders.
_PLAIN: dict[str, float] = {"input_dropout": 0.0, "thinning": 0.0, "shrinkage": 0.0}

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "quick",
            "Quick",
            "A few minutes on a laptop: 8 tokens and a small transformer. The place to begin.",
            ModelConfig(tokenizer_options={"n_tokens": 8, "n_channels": 4}, width=128, depth=4, heads=4),
            TrainConfig(tokenizer_steps=1500, steps=2000, batch_size=128, ema=0.998, patience=0),
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
                    "ambient": False,
                },
                backbone="mlp",
                width=256,
                depth=4,
                times="uniform",
                guidance="additive",
            ),
            TrainConfig(tokenizer_steps=1500, steps=5000, batch_size=256, **_PLAIN),
            SampleConfig(sampler="dopri5"),
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
                    "ambient": False,
                },
                width=128,
                depth=4,
                heads=4,
                times="uniform",
            ),
            TrainConfig(tokenizer_steps=1500, steps=2000, batch_size=128, ema=0.998, **_PLAIN),
            SampleConfig(sampler="dopri5"),
        ),
    )
}


def preset_run(
    name: str, dataset: DatasetInfo, *, conditions: tuple[str, ...] | None = None, seed: int = 0, title: str = ""
) -> RunConfig:
    """Return the run that a preset means for a data set.

    Parameters
    ----------
    conditions
        The obs columns to condition on; None takes the data set's label.

    Raises
    ------
    InputError
        For an unknown preset.
    """
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}; known: {', '.join(PRESETS)}")
    preset = PRESETS[name]
    if conditions is None:
        conditions = (dataset.label,) if dataset.label else ()
    changes: dict[str, object] = {"conditions": conditions}
    if not dataset.has_counts and preset.model.space == "latent":
        changes["likelihood"] = "gaussian"
    return RunConfig(
        name=title,
        dataset_id=dataset.id,
        preset=name,
        seed=seed,
        model=preset.model.model_copy(update=changes),
        train=preset.train,
        sample=preset.sample,
    )


def in_gene_space(run: RunConfig) -> RunConfig:
    """Return the same run with the flow on expression instead of tokens: the network then predicts the data."""
    model = run.model.model_copy(update={"space": "gene", "predict": "data"})
    return run.model_copy(update={"model": model})
