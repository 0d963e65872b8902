"""One cell followed through a trained model, in six steps with their formulas, shapes and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.inspection.one_cell.walkthrough import Walk, walk
from genediff.plots import token_plots as plots
from genediff.ui.kit import caching, choices, explain, figures, inspection_cache, layout, tables
from genediff.workspace import DEMO_MODEL

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from genediff.data import Dataset
    from genediff.inspection.one_cell.dataset_context import Cell, DatasetContext
    from genediff.models.model_info import ModelInfo

STEPS = ("Counts", "Tokens", "Noise", "Attention", "Denoising", "Genes")
MOST_GENES = 15


def show(dataset: Dataset, context: DatasetContext, cell: Cell) -> None:
    """Draw the choices, the step that is looked at, and its numbers."""
    infos = {info.id: info for info in caching.workspace().list_models() if _fits(info, dataset)}
    if not infos:
        st.info("This view needs a trained model in latent space; none was trained on these cells yet.")
        layout.link("train", "Train one", icon=":material/arrow_forward:", dataset=dataset.info.id)
        return
    st.fragment(_steps)(dataset, context, cell, infos)


def _fits(info: ModelInfo, dataset: Dataset) -> bool:
    return info.dataset_id == dataset.info.id and info.space == "latent"


def _steps(dataset: Dataset, context: DatasetContext, cell: Cell, infos: dict[str, ModelInfo]) -> None:
    which, count, level = st.columns([0.34, 0.33, 0.33], gap="medium")
    with which:
        first = DEMO_MODEL if DEMO_MODEL in infos else None
        chosen = choices.select(
            "Model", {one: info.title for one, info in infos.items()}, key="walk_model", default=first
        )
    info = infos[chosen]
    model = inspection_cache.model(info)
    n_tokens = model.tokenizer.layout.n_tokens
    with count:
        n_kept = n_tokens
        if n_tokens > 1:
            n_kept = st.slider(
                "Tokens kept", 0, n_tokens, n_tokens, key=f"walk_kept_{chosen}",
                help="Those farthest from the mean of all cells are kept; the others are set to that mean.",
            )  # fmt: skip
    with level:
        noise = st.slider(
            "Noise level", 0.0, 1.0, 0.5, 0.05, key="walk_noise", bind="query-params",
            help="0: the cell's own tokens; 1: noise alone, where generation begins.",
        )  # fmt: skip
    labels = {column: str(dataset.obs[column].iloc[cell.row]) for column in model.conditions if column in dataset.obs}
    try:
        found = walk(model, cell, labels=labels, n_kept=n_kept, noise=noise)
    except InputError as problem:
        explain.show_input_error(problem)
        return
    step = st.segmented_control(
        "Step", STEPS, default=STEPS[0], required=True, key="walk_step", bind="query-params",
        width="stretch",
    )  # fmt: skip
    mean, std = context.statistics.mean.numpy(), context.statistics.std.numpy()
    own, kept, regained = ((x - mean) / std for x in (found.measured, found.decoded, found.regained))  # (gene,)
    st.caption(
        f"{len(found.measured):,} genes → {n_tokens:,} tokens × {found.tokens.shape[1]} numbers → noise → "
        f"{len(found.attention)} layers of attention → tokens → {len(found.measured):,} genes."
    )
    st.markdown(
        "What sets this cell apart from the mean of all cells comes back with Pearson's r = "
        f"**{_r(own, kept):.2f}** from {int(found.kept.sum())} tokens, and r = **{_r(own, regained):.2f}** after noise "
        "and denoising; the mean cell has r = 0."
    )
    words, picture = st.columns([0.4, 0.6], gap="large")
    draw = dict(zip(STEPS, (_counts, _tokens, _noise, _attention, _denoising, _genes), strict=True))[step]
    draw(words, picture, found, cell, context)


def _counts(words: DeltaGenerator, picture: DeltaGenerator, found: Walk, cell: Cell, known: DatasetContext) -> None:
    order = np.argsort(-cell.x, kind="stable")[:MOST_GENES]
    top, total = int(order[0]), float(cell.measured.sum())
    with words:
        if known.has_counts:
            st.markdown(
                "A cell is a list of counts $n_g$, one for each gene. Cells are sequenced to different depths $N$, so "
                "counts are divided by it, and the logarithm keeps a few genes from ruling the rest."
            )
            scale = f"{known.target_sum:,.0f}".replace(",", "{,}")
            st.latex(rf"x_g = \log\left(1 + {scale}\,\tfrac{{n_g}}{{N}}\right)")
            st.markdown(
                f"For {explain.plain(known.genes[top])}: $n = {cell.measured[top]:.0f}$ of $N = {total:,.0f}$ counts "
                f"of the chosen genes, so $x = {cell.x[top]:.2f}$."
            )
        else:
            st.markdown("A cell is a list of log-normalised values $x_g$, one for each gene, as the file holds them.")
        st.caption(f"Shape: x is {len(cell.x):,} numbers, {cell.n_detected:,} of them above zero.")
    with picture:
        names = {"n" if known.has_counts else "value": cell.measured[order], "x": cell.x[order]}
        table = pd.DataFrame(
            {"gene": [known.genes[i] for i in order], **names, "SD from mean": cell.standardised[order]}
        )
        tables.small(table, formats={"n": ",.0f", "value": ".2f", "x": ".2f", "SD from mean": "+.1f"})


def _tokens(words: DeltaGenerator, picture: DeltaGenerator, found: Walk, cell: Cell, known: DatasetContext) -> None:
    shape = found.tokens.shape
    with words:
        st.markdown("The encoder, a trained network, summarises all genes in a few tokens of a few numbers each.")
        st.latex(rf"z = f_\theta(x) \in \mathbb{{R}}^{{{shape[0]} \times {shape[1]}}}")
        far = int(np.abs(found.tokens).max(1).argmax())
        st.markdown(
            f"{len(cell.x):,} genes become {shape[0] * shape[1]:,} numbers. The token farthest from other cells is "
            f"**{explain.plain(found.names[far])}** ({found.tokens[far][np.abs(found.tokens[far]).argmax()]:+.1f} SD)."
        )
        if not found.kept.all():
            gone = int((~found.kept).sum())
            st.markdown(
                f"{gone} of the tokens {'is' if gone == 1 else 'are'} set to the mean of all cells, which is 0."
            )
    with picture:
        _heat(found.names, found.tokens * found.kept[:, None], "walk-tokens", "The cell's tokens")


def _noise(words: DeltaGenerator, picture: DeltaGenerator, found: Walk, cell: Cell, known: DatasetContext) -> None:
    with words:
        st.markdown(
            "The flow is trained to turn noise into tokens. It is shown tokens that were mixed with noise "
            r"$\varepsilon$, at every noise level:"
        )
        st.latex(
            rf"z_t = \alpha z + \sigma\,\varepsilon = {found.alpha:.2f}\,z + {found.sigma:.2f}\,\varepsilon, "
            r"\quad \varepsilon \sim \mathcal{N}(0, 1)"
        )
        first = found.tokens[0, 0] * found.kept[0]
        st.markdown(
            f"The first number of the first token goes from {first:+.2f} to {found.noisy[0, 0]:+.2f}. Move the noise "
            "level to 1: nothing of the cell is left, and this is where generating a new cell begins."
        )
    with picture:
        _heat(found.names, found.noisy, "walk-noise", "The tokens with noise")


def _attention(
    words: DeltaGenerator, picture: DeltaGenerator, found: Walk, cell: Cell, context: DatasetContext
) -> None:
    with words:
        if not len(found.attention):
            st.markdown("This model has no attention: all numbers go through one dense network together.")
            return
        layer = st.segmented_control(
            "Layer", range(1, len(found.attention) + 1), default=1, required=True, key="walk_layer"
        )
        st.markdown(
            "In each layer a token takes up what the others say: a weighted mean, with weights from how well its query "
            "$q$ fits their keys $k$."
        )
        st.latex(
            r"A_{ij} = \mathrm{softmax}_j\left(\tfrac{q_i \cdot k_j}{\sqrt d}\right), "
            r"\quad h_i \leftarrow h_i + \sum_j A_{ij} v_j"
        )
        weights = found.attention[int(layer) - 1]
        i, j = np.unravel_index(int((weights - np.eye(len(weights))).argmax()), weights.shape)
        st.markdown(
            f"Strongest here: **{explain.plain(found.places[i])}** gives {weights[i, j]:.0%} of its attention to "
            f"**{explain.plain(found.places[j])}**; an equal share would be {1 / len(weights):.0%}."
        )
        st.caption(
            f"Shape: {len(weights):,} × {len(weights):,}, the mean over heads. Attention shows where information can "
            "flow, not what is done with it."
        )
    with picture:
        figures.show_figure(
            plots.attention_heat(found.places, weights),
            how_to_read="Each row is what one place of the sequence attends to; rows sum to one.",
            name=f"walk-attention-{layer}",
        )


def _denoising(
    words: DeltaGenerator, picture: DeltaGenerator, found: Walk, cell: Cell, context: DatasetContext
) -> None:
    own = found.tokens * found.kept[:, None]
    with words:
        st.markdown(
            "From the tokens with noise the network predicts a velocity $v$, the direction from noise to data, and so "
            "what the tokens were without noise:"
        )
        straight = abs(found.alpha + found.sigma - 1) < 1e-3  # rectified flow
        general = r"\frac{\dot\sigma z_t - \sigma v}{\alpha \dot\sigma - \sigma \dot\alpha}"
        st.latex(r"\hat z = " + (r"z_t + \sigma\,v" if straight else general))
        before, after = _r(own.ravel(), found.noisy.ravel()), _r(own.ravel(), found.denoised.ravel())
        st.markdown(
            f"Correlation with the cell's tokens: **{before:.2f}** with noise, **{after:.2f}** denoised in one step. "
            "Generating a cell repeats this from noise alone, in small steps."
        )
        st.caption("At noise level 1 the estimate is the mean of cells with this label: nothing else is known then.")
    with picture:
        _heat(found.names, found.denoised, "walk-denoised", "The denoised tokens")


def _genes(words: DeltaGenerator, picture: DeltaGenerator, found: Walk, cell: Cell, known: DatasetContext) -> None:
    away = np.abs(cell.standardised) * (cell.measured > 0)
    order = np.argsort(-found.measured - 0.1 * away, kind="stable")[:MOST_GENES]
    with words:
        st.markdown("The decoder turns tokens into the share of each gene, and so into the counts that are expected.")
        st.latex(r"\mathbb{E}[n_g] = N\,\mathrm{softmax}\left(d_\theta(z) + \log \bar p\right)_g")
        st.markdown(
            f"Pearson's r with the measured cell over all {len(found.measured):,} genes: "
            f"**{_r(found.measured, found.decoded):.2f}** from its {int(found.kept.sum())} kept tokens, "
            f"**{_r(found.measured, found.regained):.2f}** from the denoised ones."
        )
        st.caption("Expected values are smooth; measured counts scatter around them, so r stays below 1 for any model.")
    with picture:
        values = {
            "measured": found.measured[order],
            "from kept tokens": found.decoded[order],
            "from denoised tokens": found.regained[order],
        }
        figures.show_figure(
            plots.gene_dots([known.genes[i] for i in order], values),
            how_to_read="The highest genes of the cell as measured, and as decoded. Move the sliders above to see what "
            "each token and each bit of noise is worth.",
            name="walk-genes",
            table=pd.DataFrame({"gene": known.genes, "measured": found.measured, "decoded": found.decoded,
                                "denoised": found.regained}),
        )  # fmt: skip


def _heat(names: tuple[str, ...], tokens: np.ndarray, name: str, what: str) -> None:
    more = (
        f" The {plots.MOST_ROWS} farthest from zero of {len(names):,} are shown."
        if len(names) > plots.MOST_ROWS
        else ""
    )
    figures.show_figure(
        plots.token_heat(names, tokens),
        how_to_read=f"{what}, in standard deviations from the mean of the training cells.{more}",
        name=name,
        table=pd.DataFrame(tokens, index=pd.Index(names, name="token")).add_prefix("number "),
    )


def _r(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-9 and b.std() > 1e-9 else 0.0
