"""Use a model on other cells: choose them, see what is lost, and go on to look at them through the model."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.ui.kit import (
    background,
    caching,
    choices,
    explain,
    figures,
    inspection_cache,
    layout,
    other_species,
    tables,
)
from genediff.ui.kit.downloads import download, to_csv

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data import Dataset
    from genediff.inspection.transfer import Transfer
    from genediff.knowledge.orthologs import Orthologs
    from genediff.models.model_info import ModelInfo

NONE, AS_THEY_ARE, SHIPPED, YOURS = "none", "names", "shipped", "file"
TABLES = {
    AS_THEY_ARE: "by their names",
    SHIPPED: "human and mouse, shipped table",
    YOURS: "a table of orthologs of yours",
}
_ASKED = "transfer_asked"


def show(info: ModelInfo) -> None:
    """Draw the section: the question, and the answer once it was asked for."""
    st.subheader("Use it on other cells", anchor=False)
    st.caption(
        "Nothing is trained: the model reads cells of another data set, also of another species, and held-out cells "
        "say what is lost on the way."
    )
    if info.space != "latent":
        st.info(
            f"This model works in {info.config.model.space_name}, where no tokens stand for a finished cell, so "
            "nothing can be read off and brought back; choose a model in latent space."
        )
        return
    others = [
        one
        for one in caching.workspace().list_datasets()
        if one.id != info.dataset_id and one.has_counts == info.has_counts
    ]
    if not others:
        kind = "counts" if info.has_counts else "values without counts"
        st.info(f"There is no other data set of {kind} here.")
        layout.link("data", "Add a data set", icon=":material/add:")
        return
    titles = {NONE: "Choose cells …"} | {one.id: f"{one.name} · {one.n_cells:,} cells, {one.species}" for one in others}
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    with left:
        chosen = choices.select("Other cells", titles, key="other", default=NONE)
    if chosen == NONE:
        return
    try:
        dataset = caching.dataset(chosen)
        with middle:
            how = _how(info, dataset)
        with right:
            native = _native(info, chosen)
        table, mark = _table(how)
    except InputError as error:
        explain.show_input_error(error)
        return
    if how == YOURS and table is None:
        return
    key = (*inspection_cache.key(info, dataset), how, mark, native)
    if st.session_state.get(_ASKED) != key:
        st.button(
            "Measure what is lost",
            type="primary",
            icon=":material/swap_horiz:",
            key="transfer_start",
            on_click=lambda: st.session_state.update({_ASKED: key}),
        )
        return
    found = background.soon("Reading the other cells", ("transfer", *key), _make(info, dataset, table, native))
    if found is not None:
        _result(found, info, dataset)


def _how(info: ModelInfo, dataset: Dataset) -> str:
    """Let the reader choose how genes are matched; another species is noticed."""
    proposed = other_species.table_for(info, dataset) is not None
    name = f"genes-matched-{info.id}-{dataset.info.id}"
    how: str = st.selectbox(
        "Genes are matched",
        list(TABLES),
        index=list(TABLES).index(SHIPPED if proposed else AS_THEY_ARE),
        format_func=lambda one: TABLES[one],
        key=name,
        help="These look like genes of another species, so the shipped table is proposed." if proposed else None,
    )
    if proposed and how == AS_THEY_ARE:
        st.caption(":material/info: These look like genes of another species.")
    return how


def _native(info: ModelInfo, dataset_id: str) -> str:
    titles = {NONE: "none"} | {
        one.id: one.title
        for one in caching.workspace().list_models()
        if one.dataset_id == dataset_id and one.space == "latent"
    }
    return st.selectbox(
        "Beside a model trained on them",
        list(titles),
        format_func=lambda one: titles[one],
        key=f"native-{info.id}-{dataset_id}",
        help="The fair yardstick: how well can these cells be described at all? Train one on the Train page.",
    )


def _table(how: str) -> tuple[Orthologs | None, str]:
    """Return the table of orthologs that was chosen and what names it in a cache."""
    if how == AS_THEY_ARE:
        return None, ""
    if how == SHIPPED:
        from genediff.knowledge.orthologs import shipped_orthologs

        return shipped_orthologs(), ""
    given = st.file_uploader(
        "Table of orthologs: two columns with a header, MGI's HOM_MouseHumanSequence.rpt, Ensembl BioMart, HCOP",
        key="ortholog_file",
    )
    if given is None:
        return None, ""
    content = given.getvalue()
    return _read(given.name, content), hashlib.sha256(content).hexdigest()


@st.cache_resource(max_entries=2, show_spinner="Reading the table …")
def _read(name: str, content: bytes) -> Orthologs:
    from genediff.knowledge.read_orthologs import read_orthologs

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / Path(name).name
        path.write_bytes(content)
        return read_orthologs(path)


def _make(
    info: ModelInfo, dataset: Dataset, table: Orthologs | None, native: str
) -> Callable[[background.Report], Transfer]:
    workspace = caching.workspace()
    known = {one.id: one.folder for one in workspace.list_datasets()}
    folder = None if native == NONE else workspace.model_folder(native)

    def make(progress: background.Report) -> Transfer:
        from genediff.data import Dataset as Opened
        from genediff.inspection.transfer import transfer
        from genediff.models.load_model import load_model

        own = Opened.open(known[info.dataset_id]) if info.dataset_id in known else None
        yardstick = None if folder is None else load_model(folder)
        return transfer(
            inspection_cache.load(info), dataset, own=own, orthologs=table, native=yardstick, progress=progress
        )

    return make


def _result(found: Transfer, info: ModelInfo, dataset: Dataset) -> None:
    icon = {"little": ":material/check_circle:", "part": ":material/info:", "most": ":material/warning:"}[found.level]
    opening, _, rest = found.sentence.partition(". ")
    st.markdown(f"{icon} **{opening}.** {explain.plain(rest)}")
    head, *rows = found.table()
    figures_table = pd.DataFrame(rows, columns=head)
    st.dataframe(figures_table, hide_index=True)
    explain.how_to_read(
        "All rows are of test cells, in the same genes: of what was counted in a cell a random half is read and the "
        "other half judged (values that are no counts are read and judged whole). Correlation: Pearson's r "
        "over cells between measured and expected log expression, the mean over genes; higher is better. Nats per "
        "gene: how surprising the counts are; lower is better, and only rows of the same cells can be compared. In "
        "brackets: 95% intervals over bootstrap samples of the cells; other seeds of training are not in them. "
        + explain.plain(found.matched)
    )
    if found.tokens is not None:
        _tokens(found, info)
    with st.container(horizontal=True):
        layout.link(
            "pathways",
            "Look at these cells through the model",
            icon=":material/arrow_forward:",
            model=info.id,
            extra={"cells": dataset.info.id},
        )
        stem = f"transfer-{info.id}-{dataset.info.id}"
        download("Figures (CSV)", lambda: to_csv(figures_table), f"{stem}.csv", key=f"{stem}-csv", narrow=True)
        download(
            "Whole report (JSON)",
            lambda: json.dumps(found.to_dict(), indent=1, ensure_ascii=False).encode(),
            f"{stem}.json",
            key=f"{stem}-json",
            narrow=True,
        )


def _tokens(found: Transfer, info: ModelInfo) -> None:
    from genediff.inspection.transfer.transferred_names import OUTCOMES
    from genediff.plots.transfer_plots import names_before_and_after

    tokens = found.tokens
    assert tokens is not None
    figures.show_figure(
        names_before_and_after(tokens, own=info.dataset_name, new=found.dataset_name),
        how_to_read="Each line is a token. Further right: its activation follows an ssGSEA score of its set more, and "
        "no model was asked for that score. Crosses: the name held on the model's cells and is not seen here, beyond "
        "the 95% intervals. Tokens that gained are on the bottom. Agreement shows that a name is "
        "deserved, not that the process is at work.",
        name="transfer-names",
        table=tokens,
    )
    with st.expander(f"All {len(tokens):,} named tokens"):
        decimals = st.column_config.NumberColumn(format="%.2f")
        numbers = [f"{side}{part}" for side in ("own", "new") for part in ("", "_low", "_high", "_chance")]
        tables.show(
            tokens.assign(outcome=tokens["outcome"].map(OUTCOMES)),
            "transfer-tokens",
            column_config=dict.fromkeys(numbers, decimals),
        )
