"""What the Regulation page needs of a model, and how regulation works here, for a newcomer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.tokenizers import TOKENIZERS
from genediff.ui.kit import caching, explain, layout, state

if TYPE_CHECKING:
    from genediff.models.model_info import ModelInfo

STRATEGY = "grn"

_WHY = {
    "latent": "Its tokens are summaries of the whole cell, so no path between them has the name of a gene.",
    "pathway": "Its tokens are gene sets: see the Pathways page. No edge joins one gene to another.",
    "rank": "Its tokens are genes ordered by expression, and each attends to all others, not along a network.",
    "latent_pathway": "Its tokens are gene sets and latent summaries: no edge joins one gene to another.",
    "grn_latent": "A network shapes its encoder and decoder, but in between everything passes through latent tokens.",
    "mlp": "It has one vector and no attention.",
}


def suitable(info: ModelInfo) -> bool:
    """Say whether the page can look into a model."""
    return info.strategy == STRATEGY and info.space != "latent"


def show(info: ModelInfo) -> None:
    """Say what the chosen model lacks, and offer one that has it or the way to train it."""
    title = TOKENIZERS[info.strategy].title
    why = _WHY.get(info.strategy, "Its flow runs in latent space, where its network is not followed gene by gene.")
    with st.container(border=True):
        st.subheader("This model has no paths between genes", anchor=False)
        st.markdown(
            f"“{explain.plain(info.title)}” was trained with **{title}**. {why} This page needs **GRN tokens in "
            "count or gene space**: one token per gene, with attention restricted to its known regulators."
        )
        others = [one for one in caching.workspace().list_models() if suitable(one)]
        for one in others[:4]:
            st.button(
                f"Show “{explain.plain(one.title)}”", icon=":material/arrow_forward:", key=f"regulation-{one.id}",
                on_click=_choose, args=(one.id,),
            )  # fmt: skip
        layout.link(
            "train", "Train GRN tokens (quick: some minutes)", icon=":material/model_training:",
            extra={"strategy": STRATEGY},
        )  # fmt: skip


def how_it_works() -> None:
    """Explain paths and their tests to a newcomer."""
    with st.expander("How regulation works here", icon=":material/school:"):
        st.markdown(
            """
**The model.** Every gene is a token. Besides its own expression, a token receives information only along the edges of
the network that the model was trained with: once in each attention layer and once in the decoder (in gene space also in
the encoder). So whatever reaches a gene came along a path with names, such as *STAT1 → IRF1 → CXCL10*.

**The question.** A model in count space is shown a share of each cell's molecules and asked for the rest; one in gene
space is shown cells with noise and asked for the cells without it.

**Flow.** For each of these steps we measure which share of a gene's token was its own and which came along each edge.
Shares are multiplied along a path and summed over the layers in which its steps can be made (attention rollout, Abnar &
Zuidema 2020, split by path). Flow shows where the model attends. It is no evidence of regulation by itself.

**Effect.** A path is cut, that one alone, and the gene is predicted again. The effect is how far the prediction moves
(in standard deviations of the gene); the slope, per standard deviation of the regulator: above 0 it activates.

**Test.** In cells that the model was not trained on, each regulator is given the value of another cell of the same
type. If its value says nothing of a target, both predictions are equally good on average, however the model was
trained; all routes from the regulator to the target count. The p-value of an edge is one-sided, over cells, and its
false discovery rate is over all edges of the network (Storey, Taylor & Siegmund 2004). A path is supported where each
of its edges is. Every null result stands with the power that the test has on simulated cells.

**Overview** also tests each regulator on all its targets together (rates of Benjamini & Hochberg), beside three
controls: the trained weights on a shuffled network, a linear regression without the model, and each part of the model
silenced.

**What this cannot show.** It says what the *model* uses to predict a gene, and that the cells agree. An edge that goes
along with a hidden cause looks like regulation. Only an experiment, such as a knock-out, shows more.
"""
        )


def _choose(model_id: str) -> None:
    state.choose(model=model_id)
    st.session_state.pop("inspected_model", None)
