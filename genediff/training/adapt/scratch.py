"""The rival of an adaptation: a model of the same shape, trained from nothing on the same cells for as many steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError
from genediff.knowledge import Knowledge
from genediff.models.adapter_info import read_adapter
from genediff.models.model_info import CARD_FILE, KNOWLEDGE_FILE, read_spec
from genediff.training.adapt.adaptation_card import adapter_card
from genediff.training.adapt.gain import HELD_OUT, Gain, figures_of
from genediff.training.train import Training

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset
    from genediff.evaluation import Evaluation
    from genediff.models.config import RunConfig
    from genediff.models.generative_model import GenerativeModel
    from genediff.training.adapt.config import AdaptConfig


def scratch_training(config: AdaptConfig, base: Path, view: Dataset, *, folder: Path, model_id: str) -> Training:
    """Return the training of the rival: the base's configuration and rates, the adaptation's steps and cells.

    Parameters
    ----------
    view
        The new data in the genes that they share with the base.
    """
    from genediff.models.load_model import read_knowledge

    knowledge = read_knowledge(base / KNOWLEDGE_FILE)
    sets, network = knowledge.gene_sets, knowledge.network
    own = Knowledge(sets and sets.within(view.genes, smallest=1), network and network.within(view.genes))
    folder.mkdir(parents=True, exist_ok=True)
    # A training that finds knowledge in its folder takes it from there.
    (folder / KNOWLEDGE_FILE).write_text(own.to_json())
    return Training(scratch_run(config, read_spec(base).run), view, folder=folder, model_id=model_id)


def scratch_run(config: AdaptConfig, base: RunConfig) -> RunConfig:
    """Return the configuration of the rival."""
    train = base.train.model_copy(
        update={
            "tokenizer_steps": config.tokenizer_steps,
            "steps": config.steps,
            "batch_size": config.batch_size,
            "tokenizer_batch_size": config.batch_size,
            "patience": 0,
            "validate_every": max(1, min(base.train.validate_every, config.steps)),
        }
    )
    return base.model_copy(
        update={
            "name": f"{config.name or config.base_id}, from scratch",
            "dataset_id": config.dataset_id,
            "seed": config.seed,
            "device": config.device,
            "model": base.model.model_copy(update={"conditions": tuple(config.conditions)}),
            "train": train,
        }
    )


def in_words_of(base: GenerativeModel, conditions: Mapping[str, str | None]) -> None:
    """Name the conditions of a base as the new data name the columns that continue them."""
    named = {old: column for column, old in conditions.items() if old is not None}
    levels = {named.get(column, column): names for column, names in base.spec.levels.items()}
    base.spec = base.spec.model_copy(update={"levels": levels})


def write_gain(
    model: Path, evaluations: Mapping[str, Evaluation], scratch: Mapping[str, Any] | None, *, n_genes: int
) -> Gain:
    """Write what adapting was worth beside an adapted model and into its card.

    Parameters
    ----------
    evaluations
        Of "adapted", "base" and, where it was trained, "scratch".
    scratch
        Seconds, number of parameters and held-out loss of the rival's training.
    n_genes
        Shared genes: losses are given per gene.
    """
    info, spec = read_adapter(model), read_spec(model)
    if info is None:
        raise InputError(f"{model.name} holds no adapter; export it again")
    figures = {row: figures_of(evaluation) for row, evaluation in evaluations.items()}
    figures["floor"] = figures_of(evaluations["adapted"], "floor")
    if "autoencoder" in info.held_out:
        before, after = info.held_out["autoencoder"]
        figures["base"][HELD_OUT] = (before / n_genes, 0.0, 1)
        figures["adapted"][HELD_OUT] = (after / n_genes, 0.0, 1)
        if scratch is not None and scratch.get("held_out") is not None:
            figures["scratch"][HELD_OUT] = (float(scratch["held_out"]) / n_genes, 0.0, 1)
    train = spec.run.train
    gain = Gain(
        figures,
        (train.tokenizer_steps if spec.run.model.space == "latent" else 0, train.steps),
        (info.n_trained, int(scratch["n_parameters"]) if scratch is not None else 0),
        (float(spec.trained["seconds"]), float(scratch["seconds"]) if scratch is not None else 0.0),
    )
    gain.save(model)
    (model / CARD_FILE).write_text(adapter_card(spec, info, gain), encoding="utf-8")
    return gain
