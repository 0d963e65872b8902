"""The stages of an import, from an open file to a finished folder."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from genediff.core.errors import InputError
from genediff.data.cells.dataset import Dataset
from genediff.data.cells.dataset_info import DatasetInfo
from genediff.data.cells.split import SPLITS, Split, split_from_column, stratified_split
from genediff.data.cells.store import open_store, put_array, put_names, smallest_type
from genediff.data.importing.cell_selection import choose_cells, prepare_columns, resolve
from genediff.data.importing.column_roles import clean_obs
from genediff.data.importing.components import add_components
from genediff.data.importing.features import Features, read_features
from genediff.data.importing.gene_selection import choose_genes, training_moments
from genediff.data.importing.perturbation_columns import listed_guides, perturbation_levels, read_columns
from genediff.data.importing.recipe import RECIPE_FILE, Recipe
from genediff.data.importing.value_kind import Found, find_values, spoiled
from genediff.data.importing.write_matrix import Selection, write_cells
from genediff.data.matrices.matrix_stats import MatrixStats, measure_matrix
from genediff.data.matrices.tile_cache import TileCache
from genediff.data.simulation.simulate import UNS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from genediff.data.importing.config import ImportConfig
    from genediff.data.importing.perturbation_columns import PerturbationReading
    from genediff.data.importing.progress import Progress
    from genediff.data.importing.read_file import CellFile
    from genediff.data.matrices.sparse_matrix import Tile

MIN_CELLS = 10


TILES_FILE = "tiles.part"


@dataclass(frozen=True, eq=False)
class _Source:
    cells: CellFile
    found: Found
    features: Features
    matrix: TileCache

    @property
    def has_counts(self) -> bool:
        return self.found.counts is not None


def build(cells: CellFile, config: ImportConfig, folder: Path, content: Callable[[], str], steps: Progress) -> None:
    """Build a data set from an open file in an existing, empty folder; ``content`` waits for the hash.

    Raises
    ------
    InputError
        When the file or the choices cannot be used.
    Cancelled
        When ``steps`` is told to stop.
    """
    found = find_values(cells, round_counts=config.round_counts)
    if found.trouble is not None:
        raise InputError(found.trouble)
    features = read_features(cells.var[found.where])
    if (trouble := features.trouble(cells.path.name)) is not None:
        raise InputError(trouble)
    obs, changes = clean_obs(cells.obs)
    config = resolve(config, obs)
    if config.recipe is not None and len(config.recipe.columns) > 1:
        obs[config.recipe.column] = perturbation_levels(obs, config.recipe.columns).to_numpy()
        config = config.model_copy(update={"perturbation": config.recipe.column})
    obs = prepare_columns(obs, config)
    with TileCache(cells.matrices[found.where], folder / TILES_FILE) as matrix:
        info = _import(_Source(cells, found, features, matrix), obs, changes, config, folder, content, steps)
    add_components(Dataset(info), config, steps)
    info.write()


def _import(
    source: _Source,
    obs: pd.DataFrame,
    changes: list[str],
    config: ImportConfig,
    folder: Path,
    content: Callable[[], str],
    steps: Progress,
) -> DatasetInfo:
    """Go through the matrix three times: totals, choice of genes, writing; only the first reads the file."""
    cells, found = source.cells, source.found
    totals = _measure(source, steps)
    reading = _read_perturbations(source, obs, config)
    keep, left_out = choose_cells(obs, totals, config, reading)
    notes = [*cells.notes, *found.warnings, *changes, *_gene_notes(source), *left_out]
    _need_cells(int(keep.sum()), cells.path.name)
    split = _split(obs[keep], config)
    obs = _add_quality(obs, totals, source)
    obs["split"] = ""
    obs.loc[keep, "split"] = split.values
    targets = _targets(source, reading) if config.keep_targets else ()
    chosen = _choose_genes(source, config, targets, totals, (obs["split"] == "train").to_numpy(), steps)

    obs["library"] = _libraries(source, chosen, steps) if source.has_counts else np.nan
    empty = keep & (obs["library"] == 0).to_numpy()
    notes += [*split.notes, *_empty_notes(int(empty.sum()), len(chosen)), *_choice_notes(source, config, chosen)]
    keep &= ~empty
    _need_cells(int(keep.sum()), cells.path.name)
    _write(folder, source, keep, totals, chosen, steps)
    obs = obs[keep].copy()
    _store_cells(folder, source, obs, chosen)
    if reading is not None:
        (folder / RECIPE_FILE).write_text(reading.recipe.to_json(), encoding="utf-8")
        config = config.model_copy(update={"control": reading.recipe.control})
    return _info(source, config, obs, folder, content(), len(chosen), tuple(notes))


# ----------------------------------------------------------------------------------------------------------- stages


def _measure(source: _Source, steps: Progress) -> MatrixStats:
    matrix = source.matrix
    steps.stage("Counting genes and cells", 0.22, ticks=matrix.n_source_tiles)
    totals = measure_matrix(matrix.record, matrix.shape, use_gene=source.features.is_gene, mito=source.features.mito,
                    after_tile=steps.tick)  # fmt: skip
    name, where, values = source.cells.path.name, source.found.where, totals.values
    if what := spoiled(where, values):
        raise InputError(f"{name} cannot be imported: {where} {what}.")
    if values.highest == 0 and values.lowest == 0:
        raise InputError(f"{name} holds nothing but zeros in {where}, so there is nothing to learn from it.")
    if source.has_counts and not values.counts:
        raise InputError(f"{name} cannot be imported: {where} looked like counts but has fractions further down.")
    return totals


def _split(obs: pd.DataFrame, config: ImportConfig) -> Split:
    labels = obs[config.label] if config.label is not None else None
    if config.split_column is not None:
        return split_from_column(obs[config.split_column], labels=labels, seed=config.seed)
    split = stratified_split(labels, len(obs), fractions=config.fractions, seed=config.seed)
    for part in SPLITS:
        if not (split.values == part).any():
            raise InputError(
                f"There are no {part} cells: every level of {config.label!r} has fewer than 3 cells; "
                "choose another label."
            )
    return split


def _read_perturbations(source: _Source, obs: pd.DataFrame, config: ImportConfig) -> PerturbationReading | None:
    """Read every level of the perturbation column; None where the config names none."""
    if config.perturbation is None:
        return None
    recipe = config.recipe or Recipe((config.perturbation,))
    recipe = replace(recipe, control=config.control or recipe.control)
    return read_columns(obs, recipe, source.features, listed_guides(source.cells))


def _targets(source: _Source, reading: PerturbationReading | None) -> tuple[str, ...]:
    """Return the genes of the file that perturbations act on."""
    if reading is None:
        return ()
    features = source.features
    genes = {name for name, is_gene in zip(features.names, features.is_gene, strict=True) if is_gene}
    return tuple(gene for gene in reading.levels.targets if gene in genes)


def _choose_genes(
    source: _Source,
    config: ImportConfig,
    targets: tuple[str, ...],
    totals: MatrixStats,
    train: np.ndarray,
    steps: Progress,
) -> np.ndarray:
    matrix, features = source.matrix, source.features
    steps.stage("Choosing genes on the training cells", 0.2, ticks=2 * matrix.n_tiles)
    moments = training_moments(matrix.map, matrix.shape[1], train=train, total=totals.total,
                               values=source.found.kind, after_tile=steps.tick)  # fmt: skip
    moments.n_cells[~features.is_gene] = 0
    position = {name: number for number, name in enumerate(features.names)}
    unknown = [gene for gene in config.keep_genes if gene not in position]
    if unknown:
        raise InputError(f"Genes that are to be kept are not in the file: {', '.join(unknown[:8])}.")
    keep = np.zeros(len(features.names), dtype=bool)
    keep[[position[gene] for gene in (*config.keep_genes, *targets)]] = True
    chosen = choose_genes(moments, config.n_genes, min_cells=config.min_cells_per_gene, keep=keep,
                          values=source.found.kind)  # fmt: skip
    if len(chosen) < 2:
        raise InputError(
            f"Only {len(chosen)} gene of {source.cells.path.name} varies among at least {config.min_cells_per_gene} "
            "training cells; a model needs two or more."
        )
    return chosen


def _libraries(source: _Source, chosen: np.ndarray, steps: Progress) -> np.ndarray:
    """Return the total over the chosen genes of each cell of the file (file cell,)."""
    mask = np.zeros(source.matrix.shape[1])
    mask[chosen] = 1
    library = np.zeros(source.matrix.shape[0])

    def look(tile: Tile) -> tuple[slice, np.ndarray]:
        tile.values.data = np.rint(tile.values.data)
        return tile.rows, tile.values @ mask[tile.cols]

    for rows, totals in source.matrix.map(look):
        library[rows] += totals
        steps.tick()
    return library


def _write(
    folder: Path, source: _Source, keep: np.ndarray, totals: MatrixStats, chosen: np.ndarray, steps: Progress
) -> None:
    """Write every gene of the kept cells."""
    columns = np.flatnonzero(source.features.is_gene)
    steps.stage("Writing the cells", 0.36, ticks=source.matrix.n_tiles)
    selection = Selection(
        keep=keep,
        columns=columns,
        chosen=np.searchsorted(columns, chosen),
        n_entries=int(totals.n_cells.sum()),
        dtype=smallest_type(totals.values.highest, whole=source.has_counts),
        whole=source.has_counts,
        log=source.found.kind == "normalised",
    )
    with open_store(folder, "w") as store:
        write_cells(store, source.matrix, selection, after_tile=steps.tick)


def _store_cells(folder: Path, source: _Source, obs: pd.DataFrame, chosen: np.ndarray) -> None:
    from anndata.io import write_elem

    columns = np.flatnonzero(source.features.is_gene)
    with open_store(folder, "a") as store:
        put_array(store, "chosen", np.searchsorted(columns, chosen).astype(np.int64))
        put_names(store, "all_genes", tuple(source.features.names[column] for column in columns))
        put_names(store, "gene_ids", tuple(source.features.ids[column] for column in columns))
        obs["split"] = obs["split"].astype("category")
        for column in obs.columns[obs.dtypes == "category"]:
            obs[column] = obs[column].cat.remove_unused_categories()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write_elem(store, "obs", obs)
        _keep_truth(source.cells, store)


def _add_quality(obs: pd.DataFrame, totals: MatrixStats, source: _Source) -> pd.DataFrame:
    total = np.maximum(totals.total, 1e-12)
    obs["qc_genes"] = totals.n_genes
    obs["qc_total"] = totals.total if source.has_counts else np.nan
    obs["qc_mito"] = 100 * totals.mito / total if source.has_counts and source.features.mito.any() else np.nan
    return obs


# ------------------------------------------------------------------------------------------------- checks and notes


def _need_cells(n: int, name: str) -> None:
    if n < MIN_CELLS:
        raise InputError(f"Only {n} cells of {name} would be kept; at least {MIN_CELLS} are needed.")


def _gene_notes(source: _Source) -> list[str]:
    if source.has_counts:
        return source.features.notes
    lack = "The file has no raw counts: cells can be looked at, but no count model can be trained on them."
    return [*source.features.notes, lack]


def _empty_notes(n: int, n_chosen: int) -> list[str]:
    if n == 0:
        return []
    why = f"they have no counts in the {n_chosen:,} chosen genes, so they cannot be normalised"
    return [f"{n:,} cells were left out: {why}."]


def _choice_notes(source: _Source, config: ImportConfig, chosen: np.ndarray) -> list[str]:
    if len(chosen) == config.n_genes:
        return []
    return [
        f"{len(chosen):,} genes were chosen, not {config.n_genes:,}: no others vary among at least "
        f"{config.min_cells_per_gene} training cells."
    ]


def _info(
    source: _Source,
    config: ImportConfig,
    obs: pd.DataFrame,
    folder: Path,
    content: str,
    n_genes: int,
    notes: tuple[str, ...],
) -> DatasetInfo:
    path = source.cells.path
    sizes = obs["split"].value_counts()
    training = obs["library"][obs["split"] == "train"]
    target = (config.target_sum or float(np.median(training))) if source.has_counts else None
    return DatasetInfo(
        id=content[:12],
        name=config.name or path.name.split(".")[0],
        source=path.name,
        n_cells=len(obs),
        n_genes=n_genes,
        n_genes_total=int(source.features.is_gene.sum()),
        has_counts=source.has_counts,
        values=source.found.kind,
        species=source.features.species,
        label=config.label,
        conditions=config.condition_columns,
        batch=config.batch,
        perturbation=config.perturbation,
        control=config.control,
        split_sizes={part: int(sizes.get(part, 0)) for part in SPLITS},
        target_sum=target,
        config=config.model_dump(mode="json"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        content_hash=content,
        notes=notes,
        has_umap=False,
        shipped=False,
        folder=folder,
    )


def _keep_truth(cells: CellFile, store: Any) -> None:
    """Copy what was planted in simulated cells from an open file into the store of a data set, as it stands."""
    place = f"uns/{UNS_KEY}"
    if cells.format == "h5ad" and cells.stored is not None and cells.stored.check_group(place):
        store.copy(cells.stored.node(place), UNS_KEY)
