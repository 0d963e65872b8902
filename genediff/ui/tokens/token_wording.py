"""The sentences of the Tokens page: what applies to which kind of token, and what its figures leave out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from genediff.plots.set_names import short_name

if TYPE_CHECKING:
    from genediff.ui.tokens.token_data import Subject

KIND_TITLES = {"free": "latent token", "set": "gene set", "gene": "gene", "rank": "rank", "vector": "whole cell"}
KIND_COLOURS = {"latent token": "#0072B2", "gene set": "#009E73", "gene": "#CC79A7", "rank": "#E69F00",
                "whole cell": "#56B4E9", "inactive": "#98A2AD"}  # fmt: skip

METHODS = (
    "The activity of a token is its first principal component over cells, or, for a token built on a gene set, the "
    "mean of what it adds to the logits of its genes. The effect of a token on genes was measured as the change of "
    "expected log-normalised expression per standard deviation of its activity (central difference, mean over up to "
    "128 cells). The genes that rise and fall most with each token were tested for enrichment with gseapy against the "
    "genes of the model (hypergeometric test; false discovery rate over all tokens, directions and sets), and the "
    "share of enriched directions was compared with that of random mixtures of tokens, shuffled sets and random genes."
)


def applies(one: Subject) -> str:
    """Return what these tokens are, in one sentence per kind."""
    counts = Counter(one.kinds)
    sentences = []
    for kind, number in counts.items():
        n = f"{number:,}"
        if kind == "free":
            sentences.append(
                f"**{n} latent tokens** have no name, order or sign of their own (another training gives others). The "
                "table matches them to gene sets by the genes that they affect."
            )
        elif kind == "set":
            sentences.append(
                f"**{n} tokens are gene sets** and decode to the genes of their set (with counts, other genes move as "
                "well, since shares of a cell's counts add up to one). Pathways tests whether they still agree with "
                "their names."
            )
        elif kind == "gene":
            sentences.append(
                f"**{n} tokens are genes**. Choose one under *One token*, or follow paths between them on Regulation."
            )
        elif kind == "rank":
            sentences.append(
                f"**{n} tokens are ranks**: each holds another gene in every cell, so no gene set describes one. *One "
                "token* shows which genes stand at a rank."
            )
        else:
            sentences.append(
                "**The whole cell is one vector**, so there are no tokens to compare. *One token* shows the genes that "
                "its first principal component affects."
            )
    return "  \n".join(sentences)


def caveats(one: Subject) -> str:
    """Return what the figures of this page leave out for this model."""
    found = one.found
    share = float(np.median(found.loadings.share[found.n_named :])) if found.n_named < len(found.names) else None
    sentences = []
    if share is not None:
        sentences.append(
            f"A token's activity is its first principal component over cells: {100 * share:.0f}% of its variance "
            "(median)."
        )
    if found.n_named:
        sentences.append("The activity of a gene-set token is its mean contribution to the logits of its genes.")
    if one.info.space == "gene":
        sentences.append(
            "This model denoises expression itself: tokens are those of the clean cell, and their effects are measured "
            "midway through denoising (t = 0.5)."
        )
    if found.sampled:
        sentences.append(f"A fixed random sample of {len(found.rows):,} of {found.n_cells:,} cells is shown.")
    return " ".join(sentences)


def called(one: Subject, token: int) -> str:
    """Return what a token is called on the page."""
    name = one.found.names[token]
    return short_name(name, width=60) if one.kinds[token] == "set" else name
