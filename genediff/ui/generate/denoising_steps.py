"""The denoising scrubber: one slider takes the map, token space and pathway scores from noise to cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.data.cells.placer import PLACER
from genediff.data.cells.view import in_genes
from genediff.plots import denoising_plots as plots
from genediff.plots.palettes import NO_LABEL
from genediff.ui.generate.generate_job import log_values, mark_of
from genediff.ui.kit import background, caching, inspection_cache, obs_columns
from genediff.ui.kit.figures import show_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from genediff.data import Dataset
    from genediff.inspection.one_cell.denoising import Denoising, Score
    from genediff.knowledge import GeneSets
    from genediff.models.generative_model import GenerativeModel
    from genediff.models.model_info import ModelInfo
    from genediff.ui.generate.generate_job import Job

N_REAL = 800  # real cells that span token space
LEAST_SETS = 5
SETS = "hallmark"
TOKENS, SCORES, GENES = "pathway activity (model tokens)", "Hallmark score (z)", "marker expression (z)"


def show(job: Job, dataset: Dataset, info: ModelInfo, *, name: str) -> None:
    """Draw the scrubber of a finished job; decoding and placing its recording takes some seconds the first time."""
    if job.recording is None or job.cells is None:
        st.info("The trajectory of these cells was not recorded. Press **Generate** to generate them again.")
        return
    library = caching.workspace().library()
    place = inspection_cache.folder(info, dataset)
    try:
        sets: GeneSets | None = library.gene_sets(SETS)
    except InputError:
        sets = None

    def make(report: Callable[[float], None]) -> tuple[Denoising, str]:
        return _follow(job, dataset, info, sets, place, report)

    found, unit = background.finished(
        "Decoding the denoising trajectory",
        ("denoising", mark_of(job.request), dataset.info.has_umap, *inspection_cache.key(info, dataset)),
        make,
    )
    figure = plots.scrubber(
        found.frames,
        found.xy,
        found.tokens,
        found.scores,
        codes=found.codes,
        groups=found.groups,
        colours=_colours(dataset, job.cells.obs),
        rows=found.rows,
        real_xy=dataset.umap if found.xy is not None else None,
        real_tokens=found.real_tokens,
        explained=found.explained,
        unit=unit,
    )
    solver = "" if job.request.sampler != "dopri5" else " The solver chooses its own steps."
    show_figure(
        figure,
        name=f"{name}-denoising",
        key="scrubber",
        how_to_read=f"Drag the slider or press play: {len(found.codes):,} of the generated cells from noise to the "
        "final sample; “counts” adds sampling (Poisson or negative-binomial) noise to the final step. Intermediate "
        "states are decoded as if they were final and correspond to no real cells: this is no developmental trajectory."
        f"{solver} {_about(unit)}",
        table=lambda: _table(found),
    )


def _follow(
    job: Job, dataset: Dataset, info: ModelInfo, sets: GeneSets | None, folder: Path, report: Callable[[float], None]
) -> tuple[Denoising, str]:
    from genediff.inspection.one_cell.denoising import denoise

    assert job.recording is not None and job.cells is not None
    view = in_genes(dataset, list(job.cells.var_names))
    cells = job.cells[: job.recording.states.shape[1]]
    drawn: Any = log_values(cells, view)
    drawn = np.asarray(drawn.toarray() if hasattr(drawn, "toarray") else drawn)
    labels = _labels(cells.obs, dataset.info.label)
    model = inspection_cache.load(info)
    report(0.05)
    rows, score, unit = _scored(model, view, dataset, sets, folder)
    report(0.15)
    found = denoise(
        model,
        job.recording,
        drawn,
        view,
        real=_real_tokens(model, dataset),
        labels=labels,
        rows=rows,
        score=score,
        place=(lambda pcs: PLACER.place(view.info.folder, pcs, waiting=lambda: report(0.6)))
        if view.info.has_umap
        else None,
        progress=lambda share: report(0.15 + 0.85 * share),
    )
    return found, unit


def _scored(
    model: GenerativeModel, view: Dataset, dataset: Dataset, sets: GeneSets | None, folder: Path
) -> tuple[Sequence[str], Score, str]:
    """Return what the heat map shows: tokens that have a name, else gene sets, else marker genes."""
    from genediff.inspection.tokens.activations import activations, activity_of
    from genediff.inspection.tokens.loadings import KnowsActivity

    if isinstance(model.tokenizer, KnowsActivity):
        found = activations(model, dataset, folder)
        n = found.n_named

        def read(tokens: Any, z: np.ndarray) -> np.ndarray:
            return np.asarray(activity_of(model, tokens, found.loadings)[:, :n].cpu().numpy())

        return found.names[:n], read, TOKENS
    known = None if sets is None else sets.within(view.genes)
    if known is not None and len(known.sets) >= LEAST_SETS:
        from genediff.inspection.one_cell.pathway_scores import set_scores

        return tuple(known.sets), lambda _, z: set_scores(z, known, view.genes), SCORES
    from genediff.inspection.one_cell.marker_genes import choose_markers

    genes = choose_markers(view, view.info.label) if view.info.label else tuple(view.genes[:20])
    places = [view.genes.index(gene) for gene in genes]
    return genes, lambda _, z: z[:, places], GENES


def _real_tokens(model: GenerativeModel, dataset: Dataset) -> Any:
    import torch

    from genediff.inspection.tokens.inspected_cells import read_cells

    rows = dataset.rows("train")
    rows = np.sort(np.random.default_rng(0).permutation(rows)[:N_REAL])
    with torch.no_grad():
        return model.tokenizer.encode(read_cells(model, dataset).block(rows)[0])


def _labels(obs: pd.DataFrame, label: str | None) -> list[str]:
    column = _column(obs, label)
    if column is None:
        return ["all cells"] * len(obs)
    return [NO_LABEL if pd.isna(value) else str(value) for value in obs[column]]


def _colours(dataset: Dataset, obs: pd.DataFrame) -> dict[str, str]:
    """Return the colours that the groups have on every plot of the data set."""
    column = _column(obs, dataset.info.label)
    return {} if column is None else obs_columns.colours(dataset, column)


def _column(obs: pd.DataFrame, label: str | None) -> str | None:
    columns = [c for c in obs if isinstance(obs[c].dtype, pd.CategoricalDtype)]
    return label if label in columns else next(iter(columns), None)


def _about(unit: str) -> str:
    return {
        TOKENS: "Heat map: mean of each named token, i.e. how far it raises its own genes above the average cell.",
        SCORES: "Heat map: mean of each set's genes in standard deviations of training cells decoded the same way; the "
        "sets that differ most between groups are shown.",
        GENES: "Heat map: mean of marker genes in standard deviations of training cells decoded the same way.",
    }[unit]


def _table(found: Denoising) -> pd.DataFrame:
    """Return one row per frame and cell."""
    n = len(found.codes)
    table = pd.DataFrame(
        {
            "frame": np.repeat(found.frames, n),
            "cell": np.tile(np.arange(n), len(found.frames)),
            "group": np.tile(np.array(found.groups)[found.codes], len(found.frames)),
            "token_pc_1": found.tokens[..., 0].ravel(),
            "token_pc_2": found.tokens[..., 1].ravel(),
        }
    )
    if found.xy is not None:
        table["umap_1"], table["umap_2"] = found.xy[..., 0].ravel(), found.xy[..., 1].ravel()
    return table
