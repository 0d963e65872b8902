"""What the Tokens page says in words: which of its questions make sense for which tokens, and why others do not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from genediff.plots.set_names import short_name

if TYPE_CHECKING:
    from genediff.ui.tokens_data import Subject

KIND_TITLES = {"free": "free token", "set": "gene set", "gene": "gene", "rank": "rank", "vector": "whole cell"}
KIND_COLOURS = {"free token": "#0072B2", "gene set": "#009E73", "gene": "#CC79A7", "rank": "#E69F00",
                "whole cell": "#56B4E9", "silent": "#98A2AD"}  # fmt: skip

METHODS = (
    "The activity of a token is its first principal component over cells, or, for a token built on a gene set, the "
    "mean of what it adds to the logits of its genes. Which genes a token drives was measured as the change of "
    "expected log-normalised expression per standard deviation of its activity (central difference, mean over up to "
    "128 cells). The genes at both ends of each token were tested for enrichment with gseapy against the genes of "
    "the model (hypergeometric test; false discovery rate over all tokens, ends and sets), and the share of named "
    "ends was compared with that of random mixtures of tokens, of shuffled sets and of random genes."
)


def applies(one: Subject) -> str:
    """Say what can be asked of these tokens, and why the rest cannot, in one sentence per kind of token."""
    counts = Counter(one.kinds)
    said = []
    for kind, number in counts.items():
        n = f"{number:,}"
        if kind == "free":
            said.append(
                f"**{n} free tokens** have no name, order or sign of their own (another training would give others), "
                "so names are proposed for them below, from the genes that they drive."
            )
        elif kind == "set":
            said.append(
                f"**{n} tokens bear the name of a gene set** and write to its genes alone (where there are counts, "
                "other genes move as well, since all share what is left of a cell's counts), so no other name is "
                "proposed; whether they still mean it is asked on Pathways."
            )
        elif kind == "gene":
            said.append(
                f"**{n} tokens are genes** and bear their names, so none is proposed; asking all of them what they "
                "drive would take long, so choose one under *One token*, or follow paths between them on Regulation."
            )
        elif kind == "rank":
            said.append(
                f"**{n} tokens are ranks**: each holds another gene in every cell, so a name for one would mean "
                "nothing and none is proposed; *One token* shows which genes stand at a rank."
            )
        else:
            said.append(
                "**The whole cell is one vector**, so there are no tokens to compare, to name or to call the same; "
                "what the vector's first principal component drives is shown under *One token*."
            )
    return "  \n".join(said)


def caveats(one: Subject) -> str:
    """Say what the numbers of this page leave out for this model."""
    found = one.found
    share = float(np.median(found.loadings.share[found.n_named :])) if found.n_named < len(found.names) else None
    said = []
    if share is not None:
        said.append(
            f"A token's activity is its first principal component over cells, which holds {100 * share:.0f}% of what "
            "a token varies by (median); the rest is not seen here."
        )
    if found.n_named:
        said.append("The activity of a named token is how far it lifts the genes of its set (mean logit).")
    if one.info.space == "gene":
        said.append(
            "This model denoises expression itself: tokens are those of the clean cell, and what they drive is "
            "measured in the middle of denoising (t = 0.5), where tokens matter."
        )
    if found.sampled:
        said.append(
            f"Of {found.n_cells:,} cells a fixed random sample of {len(found.rows):,} is shown: tokens x cells are "
            "many."
        )
    return " ".join(said)


def called(one: Subject, token: int) -> str:
    """Return what a token is called on the page."""
    name = one.found.names[token]
    return short_name(name, width=60) if one.kinds[token] == "set" else name
