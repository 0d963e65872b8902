"""What a run is told: plain values, checked, frozen, and the same after a trip through JSON.

The titles, help sentences and bounds in the fields are what the Train page builds its form from.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Option = int | float | str | bool | None


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


SPACES = {
    "latent": "the flow runs on the tokens of a count autoencoder, which is trained first. Only here do tokens stand "
    "for a finished cell, to be decoded, steered and explained.",
    "gene": "the flow runs on the standardised expression of every gene, and counts come from rounding.",
    "counts": "noise is shallower sequencing, and molecules are drawn until the library is full; how likely held-out "
    "cells are can be measured, and real cells can be read deeper.",
}
"""What a model generates in each space."""

SPACE_NAMES = {"latent": "latent space", "gene": "gene space", "counts": "count space"}
"""What a sentence calls each."""


class ModelConfig(_Frozen):
    """The shape of a model: how cells are cut into tokens, and what learns them."""

    tokenizer: str = Field("latent", title="Strategy", description="How an expression profile becomes tokens.")
    tokenizer_options: dict[str, Option] = Field(
        default_factory=dict, title="Strategy options", description="Options of that strategy; the rest keep defaults."
    )
    gene_sets: str | None = Field(
        None,
        title="Gene sets",
        description="The collection of gene sets behind pathway tokens: its id, or nmf:40 for 40 modules found "
        "in the training cells.",
    )
    network: str | None = Field(
        None,
        title="Network",
        description="The regulatory network along which gene tokens attend: its id, inferred:50000 for edges found in "
        "the training cells, or both (collectri+inferred:20000).",
    )
    shuffled: bool = Field(
        False,
        title="Shuffled control",
        description="Deal out genes (or rewire edges) at random, keeping sizes and degrees: no biology is left.",
    )
    space: Literal["latent", "gene", "counts"] = Field(
        "latent",
        title="Space",
        description=" ".join(f"{name.capitalize()}: {sentence}" for name, sentence in SPACES.items()),
    )
    likelihood: Literal["nb", "zinb", "gaussian"] = Field(
        "nb",
        title="Count likelihood",
        description="Negative binomial (NB), with extra zeros (ZINB), or Gaussian for data without counts.",
    )
    ambient: bool = Field(
        True,
        title="Ambient RNA",
        description="Mix a small, learned share of the mean profile into every cell's: the RNA that every droplet "
        "catches (count likelihoods only).",
    )
    backbone: Literal["dit", "mlp"] = Field(
        "dit", title="Backbone", description="DiT: tokens attend to one another. MLP: one flat vector."
    )
    width: int = Field(128, ge=16, le=1024, title="Width", description="Size of each token inside the backbone.")
    depth: int = Field(4, ge=1, le=32, title="Layers", description="Number of backbone blocks.")
    heads: int = Field(4, ge=1, le=32, title="Heads", description="Attention heads; must divide the width.")
    patch: int = Field(
        1,
        ge=1,
        le=64,
        title="Tokens per patch",
        description="How many latent tokens the DiT reads as one place of its sequence: fewer places, faster steps.",
    )
    path: Literal["rectified_flow", "variance_preserving"] = Field(
        "rectified_flow",
        title="Path",
        description="Rectified flow: straight lines from noise to cells. Variance preserving: the DDPM path.",
    )
    predict: Literal["velocity", "noise", "data"] = Field(
        "velocity", title="Prediction", description="What the network outputs; DDPM predicts the noise."
    )
    times: Literal["logit_normal", "uniform"] = Field(
        "logit_normal", title="Training times", description="Which times are trained most: the middle, or all alike."
    )
    guidance: Literal["joint", "additive"] = Field(
        "joint",
        title="Guidance rule",
        description="Joint: all conditions together. Additive: each condition pulls on its own (as in CFGen).",
    )
    conditions: tuple[str, ...] = Field(
        (), title="Conditions", description="Columns of obs that steer generation; none means unconditional."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_earlier(cls, content: Any) -> Any:
        """Read models of before 0.1.0: ambient RNA was an option of every tokenizer, the encoder's input `hears`."""
        if isinstance(content, dict) and isinstance(options := content.get("tokenizer_options"), dict):
            options = {"encoder_input" if name == "hears" else name: value for name, value in options.items()}
            content = {**content, "tokenizer_options": options}
            if "ambient" in options:
                content["ambient"] = options.pop("ambient")
        return content

    @property
    def space_name(self) -> str:
        """What sentences call the space."""
        return SPACE_NAMES[self.space]


class TrainConfig(_Frozen):
    """How long and how carefully a model is trained."""

    tokenizer_steps: int = Field(
        1500, ge=0, le=1_000_000, title="Autoencoder steps", description="Steps of the first stage (latent space only)."
    )
    steps: int = Field(4000, ge=1, le=10_000_000, title="Flow steps", description="Steps of the flow or diffusion.")
    batch_size: int = Field(128, ge=2, le=65536, title="Batch size", description="Cells per step.")
    tokenizer_batch_size: int = Field(
        128, ge=2, le=65536, title="Autoencoder batch", description="Cells per step of the first stage."
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, title="Learning rate", description="Peak rate of the flow (AdamW).")
    tokenizer_learning_rate: float = Field(
        1e-3, gt=0, le=1, title="Autoencoder learning rate", description="Peak rate of the first stage (AdamW)."
    )
    weight_decay: float = Field(0.01, ge=0, le=1, title="Weight decay", description="Pulls weights towards zero.")
    warmup: int = Field(200, ge=0, le=100_000, title="Warm-up steps", description="Steps until the peak rate.")
    clip: float = Field(1.0, gt=0, le=1000, title="Gradient clipping", description="Largest gradient norm of a step.")
    ema: float = Field(0.999, ge=0, lt=1, title="EMA decay", description="How slowly the averaged weights follow.")
    drop_condition: float = Field(
        0.1, ge=0, le=1, title="Condition drop", description="Share of cells trained without their condition."
    )
    validate_every: int = Field(
        250, ge=1, le=100_000, title="Validate every", description="Steps between looks at held-out cells."
    )
    patience: int = Field(
        8, ge=0, le=1000, title="Patience", description="Looks without progress before stopping early; 0: never."
    )
    input_dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        title="Hidden genes",
        description="Share of genes hidden from the encoder in each step, so that it cannot memorise cells.",
    )
    thinning: float = Field(
        0.6,
        ge=0,
        lt=1,
        title="Thinned counts",
        description="Up to this share of a cell's counts is thinned away before the encoder sees it; the decoder must "
        "still explain them all.",
    )
    shrinkage: float = Field(
        500.0,
        ge=0,
        le=1e6,
        title="Pattern shrinkage",
        description="Precision of the prior that keeps gene patterns small.",
    )
    cells: Literal["auto", "memory", "disk"] = Field(
        "auto",
        title="Cells during training",
        description="In memory, or read from disk as they are needed: then memory stays the same however many there "
        "are, and cells are shuffled by blocks. auto: on disk where their expression takes more than 500 MB.",
    )
    checkpoint_seconds: float = Field(
        20, ge=0, le=3600, title="Checkpoint every (s)", description="Seconds between checkpoints; 0: every step."
    )


class SampleConfig(_Frozen):
    """How cells are drawn from a trained model."""

    sampler: Literal["euler", "heun", "ddim", "ancestral", "dopri5"] = Field(
        "heun", title="Sampler", description="How the path from noise to a cell is followed; ancestral is DDPM's own."
    )
    n_steps: int = Field(10, ge=1, le=1000, title="Steps", description="Steps along the path (not for dopri5).")
    guidance: float = Field(
        1.0, ge=0, le=20, title="Guidance", description="1: as learned. Above 1: more typical, less varied cells."
    )


class SpeedConfig(_Frozen):
    """How fast cells are drawn; next to nothing about the cells themselves."""

    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto",
        title="Precision of drawing",
        description="Of the network: bfloat16 (faster on GPUs and recent processors) or 32 bits. auto: 32 bits.",
    )
    compiled: bool = Field(
        False,
        title="Compile the network",
        description="Takes up to a minute first, then each step is faster: for many cells. Needs a compiler.",
    )


class RunConfig(_Frozen):
    """Everything that a training run needs to be repeated exactly."""

    name: str = Field("", title="Name", description="A name to find the model by.")
    dataset_id: str = Field(title="Data set", description="Which imported data set is trained on.")
    preset: str = Field("custom", title="Preset", description="The preset that the options started from.")
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="The same seed gives the same model.")
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    sample: SampleConfig = SampleConfig()
    device: str = Field("auto", title="Device", description="auto, cpu, cuda, cuda:0, mps.")
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        "auto", title="Precision", description="auto: bfloat16 where it helps (recent GPUs), else 32 bits."
    )
    devices: int = Field(
        1,
        ge=1,
        le=1024,
        title="GPUs or processes",
        description="How many GPUs of this machine train together; without a GPU, how many processes. Each takes its "
        "part of every batch, so the model and its loss curve stay the same. On a cluster the profile decides.",
    )
    strategy: Literal["auto", "ddp", "fsdp"] = Field(
        "auto",
        title="Several GPUs",
        description="ddp (auto): every GPU holds the whole model. fsdp: each holds a part of the denoiser's weights, "
        "for models larger than the memory of one.",
    )
    accumulate: int = Field(
        1,
        ge=1,
        le=64,
        title="Parts per step",
        description="Work through each batch in so many parts, one after the other: less memory, the same model.",
    )
