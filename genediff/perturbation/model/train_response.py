"""A whole training of a model of responses: network, gates, flow, and a folder at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from genediff.core.errors import Cancelled, InputError
from genediff.perturbation import Task
from genediff.perturbation.model.fit_response import fit_response
from genediff.perturbation.model.gene_priors import GenePriors, prior_of, priors_of
from genediff.perturbation.model.model_source import PLANTED
from genediff.perturbation.model.response_store import Saved, save_response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset
    from genediff.knowledge import Library
    from genediff.knowledge.network import Network
    from genediff.models.response_config import ResponseConfig
    from genediff.models.response_info import ResponseInfo


def train_response(
    config: ResponseConfig,
    dataset: Dataset,
    *,
    folder: Path,
    model_id: str,
    library: Library,
    base: Path | None = None,
    device: str = "cpu",
    progress: Callable[[str, float, str], None] = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
) -> ResponseInfo:
    """Train a model into ``folder / "model"`` and return what it says of itself.

    Parameters
    ----------
    config
        What to train.
    dataset
        The cells.
    folder
        Of the run; the flow's checkpoints lie there, and training goes on from them.
    library
        Where networks are looked up.
    base
        Folder of the token model, where the configuration names one.
    progress
        Told the stage, the share of it that is done, and a sentence.
    stop
        Whether to stop; ``Cancelled`` is then raised.

    Raises
    ------
    InputError
        When the data set has no perturbations to learn from, or what the configuration names does not fit.
    """

    def check() -> None:
        if stop():
            raise Cancelled

    begun = time.monotonic()
    progress("reading", 0.0, "Reading perturbations.")
    task = Task.of(dataset, **config.task)
    check()
    network = find_network(config, dataset, library, task)
    title = config.name or f"Perturbations of {dataset.info.name}"
    model = fit_response(
        task,
        network=network,
        priors=find_priors(config, library, network),
        members=config.members,
        seed=config.seed,
        title=title,
        progress=lambda done: progress("leaving out", done, "Leaving perturbations out, to see what helps."),
        check=check,
    )
    if base is not None:
        from genediff.perturbation.model.response_flow import train_flow

        model.flow = train_flow(
            model, base, config, folder=folder / "flow", device=device, progress=progress, check=check
        )
    check()
    progress("saving", 1.0, "Writing the model.")
    saved = Saved(config, network, time.monotonic() - begun, device)
    return save_response(model, folder / "model", saved, model_id=model_id)


def find_priors(config: ResponseConfig, library: Library, network: Network | None) -> GenePriors:
    """Return the sources that a configuration names, and the network that knock-outs run along, if there is one.

    Raises
    ------
    InputError
        When the library has none of an id.
    """
    found = priors_of(library, config.priors)
    if network is None or config.network in config.priors:
        return found
    return GenePriors((*found.sources, prior_of(network, id="network")), {})


def find_network(config: ResponseConfig, dataset: Dataset, library: Library, task: Task) -> Network | None:
    """Return the network that a configuration names, over all of its genes: sources need not be measured."""
    if config.network is None:
        return None
    if config.network == PLANTED:
        from genediff.data.simulation.planted import kept_truth
        from genediff.knowledge.network import make_network

        truth = kept_truth(dataset)
        if truth is None:
            raise InputError(
                f"The cells of {dataset.info.name!r} were not simulated, so no network is planted in them."
            )
        network = make_network("the planted network", truth.edges, source="genediff simulate")
    elif "inferred" in config.network:
        from genediff.knowledge import resolve_knowledge

        found = resolve_knowledge(
            library, gene_sets=None, network=config.network, genes=task.genes,
            x=lambda: task.x[task.rows("train")], seed=config.seed,
        )  # fmt: skip
        assert found.network is not None
        network = found.network
    else:
        network = library.network(config.network)
    kept = network.edges["target"].isin(set(task.genes))
    if not kept.any():
        raise InputError(f"No edge is left. {network.coverage(task.genes).sentence} Choose another network.")
    from dataclasses import replace

    network = replace(network, edges=network.edges[kept].reset_index(drop=True))
    return network.shuffled(seed=config.seed) if config.shuffled else network
