"""Figures of the Pathways page: what they hold, that long names stay apart, and that each can be printed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genediff.plots import pathway_plots, publication
from genediff.plots.set_names import short_name, short_names

NAMES = ["HALLMARK_TNFA_SIGNALING_VIA_NFKB", "HALLMARK_KRAS_SIGNALING_UP", "HALLMARK_KRAS_SIGNALING_DN"]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("HALLMARK_TNFA_SIGNALING_VIA_NFKB", "TNFA signaling via NFKB"),
        ("HALLMARK_INTERFERON_ALPHA_RESPONSE", "Interferon alpha response"),
        ("HALLMARK_IL6_JAK_STAT3_SIGNALING", "IL6 JAK STAT3 signaling"),
        ("HALLMARK_KRAS_SIGNALING_DN", "KRAS signaling down"),
        ("REACTOME_CELL_CYCLE", "Cell cycle"),
        ("B Cell Activation (GO:0042113)", "B Cell Activation"),
        ("pathway_1", "pathway_1"),
        ("MYC", "MYC"),
    ],
)
def test_names_are_said_as_people_say_them(name: str, short: str) -> None:
    assert short_name(name) == short


def test_names_that_would_be_the_same_stay_apart() -> None:
    assert short_names(["REACTOME_CELL_CYCLE", "KEGG_CELL_CYCLE"]) == ["REACTOME_CELL_CYCLE", "KEGG_CELL_CYCLE"]
    assert len(short_name("REACTOME_" + "A_VERY_LONG_NAME_" * 9)) <= 34


@pytest.fixture
def tested() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "token": NAMES, "auc": [0.9, 0.4, 0.5], "auc_low": [0.85, 0.3, 0.4], "auc_high": [0.93, 0.5, 0.6],
            "difference": [1.5, -0.3, 0.0], "p_value": [0.0, 0.01, 1.0], "log10_p": [-400.0, -2.0, 0.0],
            "fdr": [0.0, 0.02, 1.0], "p_replicates": [0.01, 0.5, 0.9], "fdr_replicates": [0.03, 0.6, 0.9],
        }
    )  # fmt: skip


def test_a_volcano_tells_direction_and_chance(tested: pd.DataFrame) -> None:
    fig = pathway_plots.volcano(tested, first="stim", second="ctrl", by_replicates=False)
    assert list(fig.data[0].marker.color) == [pathway_plots.UP, pathway_plots.DOWN, pathway_plots.palettes.GREY]
    assert max(fig.data[0].y) == 400
    assert [note.text for note in fig.layout.annotations] == ["TNFA signaling via NFKB", "KRAS signaling up"]
    by_donor = pathway_plots.volcano(tested, first="stim", second="ctrl", by_replicates=True)
    assert list(by_donor.data[0].marker.color) == [pathway_plots.UP, *[pathway_plots.palettes.GREY] * 2]


def test_every_figure_can_be_printed(tested: pd.DataFrame) -> None:
    draw = np.random.default_rng(0)
    codes, values = np.repeat([0, 1, -1], 50), draw.normal(size=150)
    agreed = pd.DataFrame(
        {
            "token": NAMES, "r": [0.9, 0.1, 0.5], "low": [0.85, 0.0, 0.4], "high": [0.93, 0.2, 0.6],
            "chance": [0.3, 0.2, 0.4], "rival": NAMES[::-1], "rival_r": [0.1, 0.2, 0.7],
            "verdict": ["agrees", "no agreement", "ambiguous"],
        }
    )  # fmt: skip
    genes = pd.DataFrame(
        {"gene": ["A", "B", "C"], "in_set": [True, False, True], "pull": [0.3, -0.2, 0.1], "seen": [1.0, 0.5, 0.2],
         "drives": [0.2, 0.0, 0.1]}
    )  # fmt: skip
    told = pd.DataFrame(
        {"token": ["average cell", NAMES[0], "residual 1", "all tokens"], "gain": [0.0, 10.0, 15.0, 30.0],
         "error": [0.0, 1.0, 1.0, 2.0], "genes": ["", "ISG15 ↑", "B2M ↓", ""]}
    )  # fmt: skip
    figures = [
        pathway_plots.group_heat(NAMES, ["a", "b"], draw.normal(size=(3, 2)), dark=False, chosen=NAMES[1]),
        pathway_plots.ridges(values, codes, ["a", "b"], title="activation"),
        pathway_plots.volcano(tested, first="stim", second="ctrl", by_replicates=False),
        pathway_plots.effects(tested, first="stim"),
        pathway_plots.agreement_dots(agreed, chosen=NAMES[0]),
        pathway_plots.against_score(values, values, codes, ["a", "b"], titles=("score", "activation")),
        pathway_plots.driver_bars(genes),
        pathway_plots.steps(told, named=NAMES),
    ]
    for fig in figures:
        assert publication.to_bytes(publication.from_plotly(fig), "svg").startswith(b"<?xml")
    waterfall = figures[-1].data[0]
    ends = np.asarray(waterfall.base, dtype=float) + np.asarray(waterfall.x, dtype=float)
    assert list(waterfall.base) == [0.0, 10.0, 0.0]
    np.testing.assert_allclose(ends, [10.0, 15.0, 30.0])
    assert "<b>KRAS signaling up</b>" in figures[0].layout.yaxis.ticktext


def test_ridges_leave_out_groups_without_cells_and_hold_no_cells() -> None:
    fig = pathway_plots.ridges(np.arange(1e5), np.zeros(100_000, dtype=int), ["all", "none"], title="x")
    assert len(fig.data) == 2
    assert sum(len(trace.x) for trace in fig.data) < 500
