"""Real cells read deeper by a model in count space: what deeper sequencing may have shown, and how far to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.core.json_files import read_or_none
from genediff.evaluation.held_out_nats import held_out_nats
from genediff.generation.deepen import deeper_cells, expected_shares, read_deeper
from genediff.models.conditions import level_codes
from genediff.models.model_info import MEASURES_FILE
from genediff.plots.deeper_plots import deeper_genes
from genediff.ui.kit import background, caching, explain, inspection_cache, layout
from genediff.ui.kit.downloads import download, written
from genediff.ui.kit.figures import show_figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    from genediff.data import Dataset
    from genediff.models.generative_model import GenerativeModel
    from genediff.models.model_info import ModelInfo

NEW, DEEPER = "New cells", "Real cells, read deeper"
SPLIT, MOST = "test", 1000
N_DRAWS, N_SHOWN = 40, 25
"""Continuations of the chosen cell that show how certain a gene is, and the genes that are drawn."""


def is_wanted(info: ModelInfo) -> bool:
    """Ask whether new cells are generated or real ones read deeper; only a model in count space can do both."""
    if info.space != "counts":
        return False
    chosen = st.segmented_control(
        "Generate", [NEW, DEEPER], default=NEW, key="what", bind="query-params", required=True, width="stretch"
    )
    return chosen == DEEPER


def ask(info: ModelInfo) -> dict[str, Any]:
    """Draw the form, and return what it asks for."""
    left, right = st.columns(2)
    with left:
        n = st.number_input("Held-out cells", 1, MOST, 100, step=50, key="deep_n", bind="query-params")
    with right:
        times = st.number_input(
            "Times deeper", 1.5, 50.0, 3.0, step=0.5, key="deep_times", bind="query-params",
            help="How many times its own counts a cell shall have.",
        )  # fmt: skip
    seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="deep_seed", bind="query-params")
    layout.link("models", "About this model", icon=":material/info:", model=info.id)
    return {"n": int(n), "times": float(times), "seed": int(seed)}


def show(info: ModelInfo, asked: dict[str, Any]) -> None:
    """Draw how far the model is to be trusted, the cells read deeper, and one of them gene by gene."""
    try:
        dataset = caching.dataset(info.dataset_id)
        model = caching.model(info.id)
    except InputError as error:
        explain.show_input_error(error)
        return
    key = inspection_cache.key(info, dataset)
    every = dataset.rows(SPLIT)
    rows = np.unique(np.linspace(0, len(every) - 1, min(asked["n"], len(every))).astype(int))

    def make(report: Callable[[float], None]) -> AnnData:
        return deeper_cells(
            model,
            dataset,
            split=SPLIT,
            rows=rows,
            times=asked["times"],
            seed=asked["seed"],
            progress=lambda done, of: report(done / of),
        )

    cells = background.finished("Reading cells deeper", ("deeper", *asked.values(), *key), make)
    measured = cells.layers["measured"]
    before, now = (float(np.median(np.asarray(x.sum(1)))) for x in (measured, cells.X))
    seen, shown = (float(np.median(np.diff(x.tocsr().indptr))) for x in (measured, cells.X))
    st.markdown(
        f"**{cells.n_obs:,} held-out cells read {asked['times']:g} times deeper**: a median of {before:,.0f} counts "
        f"and {seen:,.0f} genes was measured, {now:,.0f} counts and {shown:,.0f} genes are predicted."
    )
    _trust(info, model, dataset, before, key)
    _one_cell(model, dataset, cells, rows, asked, key)
    download("Cells (h5ad)", lambda: _to_h5ad(cells), f"{info.id}-deeper.h5ad", key="deeper-cells", narrow=True)
    explain.how_to_read(
        "X holds the continued counts, the layer “measured” what was measured. A continuation is one possible cell, "
        "not a denoised one: other seeds read other molecules. Never test for differential expression on predicted "
        "molecules as if they were measured."
    )


def _trust(info: ModelInfo, model: GenerativeModel, dataset: Dataset, depth: float, key: tuple[Any, ...]) -> None:
    """Say how held-out cells are restored that were thinned to less than this depth, beside what is simpler."""
    kept = (read_or_none(info.folder / MEASURES_FILE) or {}).get("nats")
    if not kept:
        kept = background.soon(
            "Restoring thinned cells to judge the model",
            ("restored", *key),
            lambda report: held_out_nats(model, dataset, progress=lambda share, _: report(share)).to_dict()["rows"],
        )
    if not kept:
        return
    # Shallower than the cells are: few are deep enough to be thinned to more.
    row = max((own for own in kept if own["depth"] <= depth), key=lambda own: own["depth"], default=kept[0])
    sentences = [
        _compared(row[over], rival)
        for over, rival in (
            ("over_start", "genes one by one (its start, without tokens)"),
            ("over_mixture", "the closed form (sub-clusters)"),
            ("over_independent", "independent genes"),
            ("over_smoother", "its nearest training cells (kNN smoother)"),
        )
        if over in row
    ]
    ahead = all(row[over]["low"] > 0 for over in row if over.startswith("over_"))
    box = st.success if ahead else st.info
    box(
        f"{row['n_cells']:,} held-out cells, thinned to {row['depth']:,} molecules and restored: the model is "
        + "; ".join(sentences)
        + " (thousandths of a nat per molecule, 95 % interval over cells).",
        icon=":material/straighten:",
    )


def _compared(gain: dict[str, float], rival: str) -> str:
    found = "ahead of" if gain["low"] > 0 else "behind" if gain["high"] < 0 else "not detectably different from"
    return f"{found} {rival}: {1000 * gain['mean']:+.1f} [{1000 * gain['low']:+.1f}, {1000 * gain['high']:+.1f}]"


def _one_cell(
    model: GenerativeModel,
    dataset: Dataset,
    cells: AnnData,
    rows: np.ndarray,
    asked: dict[str, Any],
    key: tuple[Any, ...],
) -> None:
    names = [str(name) for name in cells.obs_names]
    label = dataset.info.label
    if label is not None:
        names = [f"{name} · {level}" for name, level in zip(names, cells.obs[label].astype(str), strict=True)]
    place = st.selectbox("Cell", range(len(names)), format_func=lambda i: explain.plain(names[i]), key="deep_cell")
    table = background.soon(
        "Continuing one cell",
        ("deeper-cell", int(rows[place]), asked["times"], asked["seed"], *key),
        lambda _: one_cell(model, dataset, int(rows[place]), times=asked["times"], seed=asked["seed"]),
    )
    if table is None:
        return
    show_figure(
        deeper_genes(table.head(N_SHOWN)),
        how_to_read=f"The {N_SHOWN} genes of which most new molecules are expected. Bar: measured counts. Dot: "
        f"expected at the new depth; its line holds 90 % of {N_DRAWS} continuations. Grey: what the closed form "
        "expects, which knows the cell's type and what was read but no token.",
        name="deeper-cell",
        table=table,
    )


def one_cell(model: GenerativeModel, dataset: Dataset, row: int, *, times: float, seed: int) -> pd.DataFrame:
    """Return measured and expected counts of each gene of one held-out cell, most new molecules first."""
    counts = dataset.counts(SPLIT).tocsr()[[row]]
    codes = level_codes(model, dataset, SPLIT)[[row]]
    library = np.round(times * np.asarray(counts.sum(1)).ravel())  # (1,)
    own = counts.toarray()[0]
    new = library[0] - own.sum()
    shares, closed = (
        expected_shares(model, counts, codes, library=library, closed_form=simple)[0] for simple in (False, True)
    )
    draws = read_deeper(
        model, counts[[0] * N_DRAWS], codes.repeat(N_DRAWS, 1), library=library.repeat(N_DRAWS), seed=seed
    ).toarray()
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    expected = own + new * shares
    table = pd.DataFrame(
        {
            "gene": list(model.genes),
            "measured": own.astype(int),
            "expected": expected,
            "low": np.minimum(low, expected),
            "high": np.maximum(high, expected),
            "closed_form": own + new * closed,
        }
    )
    return table.sort_values("expected", ascending=False, key=lambda e: e - own, ignore_index=True)


def _to_h5ad(cells: AnnData) -> bytes:
    return written("cells.h5ad", lambda path: cells.write_h5ad(path, compression="gzip"))
