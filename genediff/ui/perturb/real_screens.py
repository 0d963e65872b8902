"""Real screens to download: none may be passed on with the app; where they are, and what to ask of them."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from genediff.ui.kit import layout


@dataclass(frozen=True)
class RealScreen:
    """A published screen: its title, where its file is, how the file reads, and what to look at."""

    title: str
    address: str
    file: str
    columns: str
    ask: str


SCREENS = (
    RealScreen(
        "Interferon-β in blood cells (Kang et al. 2018)",
        "https://exampledata.scverse.org/pertpy/kang_2018.h5ad",
        "`kang_2018.h5ad`, as pertpy offers it; from GEO GSE96583",
        "perturbation `label` with the control `ctrl`, cell type `cell_type`",
        "choose `stim` in B cells: the other types say what interferon does, and measured B cells judge it. ISG15 and "
        "IFIT1 rise in both.",
    ),
    RealScreen(
        "Knock-outs in THP-1 cells (Papalexi et al. 2021)",
        "https://zenodo.org/records/13350497",
        "`PapalexiSatija2021_eccite_RNA.h5ad` of scPerturb; from GEO GSE153056",
        "perturbation `perturbation` with the control `control`",
        "STAT1, JAK2 and IFNGR2 lower STAT1 and its targets; STAT2 and CMTM6 do not. Held out in turn, they show what "
        "prior knowledge of genes adds.",
    ),
)


def show() -> None:
    """Draw where real screens are, how they are added, and what to ask."""
    with st.expander("Real screens to download", icon=":material/download:"):
        st.markdown(
            "The screen that comes with the app is simulated: the licences of these real ones do not say that they may "
            "be passed on. Download a file from its source, then add it to your data."
        )
        for one in SCREENS:
            st.markdown(f"**[{one.title}]({one.address})**: {one.file}. Import: {one.columns}. What to ask: {one.ask}")
        layout.link("data", "Add the downloaded file", icon=":material/upload_file:", extra={"add": "1"})
