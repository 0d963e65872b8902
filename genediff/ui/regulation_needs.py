"""What the Regulation page needs of a model, and how regulation works here, for a newcomer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.tokenizers import TOKENIZERS
from genediff.ui import caching, explain, frame, state

if TYPE_CHECKING:
    from genediff.model_info import ModelInfo

STRATEGY = "grn"

_WHY = {
    "latent": "Its tokens are summaries of the whole cell: no path between them has the name of a gene.",
    "pathway": "Its tokens are gene sets: the Pathways page shows them, but no edge joins one gene to another.",
    "rank": "Its tokens are genes in the order of their level, yet each listens to all: attention there follows no "
    "network, so a path has no prior edge that a shuffled network could test.",
    "latent_pathway": "Its tokens are gene sets and free summaries: no edge joins one gene to another.",
    "grn_latent": "A network shapes how it reads and writes genes, but between the two everything passes through free "
    "tokens, where the paths of genes end.",
    "mlp": "It has one flat vector and no attention at all.",
}


def suitable(info: ModelInfo) -> bool:
    """Say whether the page can look into a model."""
    return info.strategy == STRATEGY and info.space == "gene"


def show(info: ModelInfo) -> None:
    """Say what the chosen model lacks, and offer one that has it or the way to train it."""
    title = TOKENIZERS[info.strategy].title
    why = _WHY.get(info.strategy, "Its flow runs in latent space, where its network is not followed gene by gene.")
    with st.container(border=True):
        st.subheader("This model has no paths between genes", anchor=False)
        st.markdown(
            f"“{explain.plain(info.title)}” was trained with **{title}**. {why} This page needs **GRN tokens in gene "
            "space**: every gene is a token that listens to its regulators alone."
        )
        others = [one for one in caching.workspace().list_models() if suitable(one)]
        for one in others[:4]:
            st.button(
                f"Show “{explain.plain(one.title)}”", icon=":material/arrow_forward:", key=f"regulation-{one.id}",
                on_click=_choose, args=(one.id,),
            )  # fmt: skip
        frame.link(
            "train", "Train GRN tokens (quick: some minutes)", icon=":material/model_training:",
            extra={"strategy": STRATEGY},
        )  # fmt: skip


def how_it_works() -> None:
    """Explain attention paths and their tests to a reader who is new to them."""
    with st.expander("How regulation works here", icon=":material/school:"):
        st.markdown(
            """
**The model.** Every gene is a token. A token hears its own level and, along the edges of the network that the model was
trained with, its regulators: one edge in the encoder, one in each layer of attention, one in the decoder. So whatever
reaches a gene came along a path that can be named, such as *STAT1 → IRF1 → CXCL10*, and edges that are not in the
network do not exist for the model.

**Flow.** For each pass we measure which share of a gene's token was its own (the residual stream, and what it attends
to itself) and which came along each edge, with heads taken together. Shares are multiplied along a path and summed over
the passes in which its steps can be made: this is attention rollout (Abnar & Zuidema 2020), split by path. *What
arrives* counts what in fact differs between cells; *attention weights* is the original, with half of each token kept.

**Effect and help.** Then the path is cut, that one alone, and the model predicts the gene again. The effect is how far
the prediction moves (in standard deviations of the gene), the slope how far per standard deviation of the regulator:
above 0 it activates, below 0 it represses. Help is the share of the error that the path takes away: what matters is
not that the prediction moves, but that it gets worse without the path.

**Tests.** Flow and help are compared with paths of the same length at the same gene in networks whose edges were
shuffled, every gene keeping its number of regulators and targets, with the trained weights on the new edges: p = (b +
1) / (n + 1), then the false discovery rate over all paths (Benjamini & Hochberg). A path is *supported* when that of
help is below 5% and no less flows along it than along most random paths. Where attention and ablation disagree the
page says so; then believe the ablation: a model may look where it does not act.

**What this cannot show.** It says what the *model* uses to predict a gene in these cells. Shuffling rewires a trained
model; how strong a path would have become in a model trained on the shuffled network is another question. An edge that
goes along with a hidden cause looks like regulation to the model too. Only an experiment, such as a knock-out, says
more.
"""
        )


def _choose(model_id: str) -> None:
    state.choose(model=model_id)
    st.session_state.pop("inspected_model", None)
