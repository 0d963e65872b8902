"""Tables: small ones say what they hold, others are sorted without a mouse, and a picked row is the one meant."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]


def page():
    import pandas as pd
    import streamlit as st

    from genediff.ui.kit import tables

    table = pd.DataFrame(
        {
            "gene": ["b", "A", "c", "D", "e", "F"],
            "fold": [2.0, None, -1.0, 2.0, 0.0, 5.0],
            "hidden": range(6),
            "same": ["x"] * 6,
        },
        index=list("uvwxyz"),
    )
    config = {"fold": st.column_config.NumberColumn("log2 fold"), "hidden": None}
    marks = pd.DataFrame({"gene": ["color: red"] + [""] * 5, "fold": [""] * 6, "hidden": [""] * 6, "same": [""] * 6},
                         index=table.index)  # fmt: skip
    tables.show(
        table,
        "genes",
        column_config=config,
        style=lambda rows: rows.style.apply(lambda _: marks.loc[rows.index], axis=None),
    )
    tables.show(table.head(5), "few")


@pytest.fixture
def app():
    opened = AppTest.from_function(page).run()
    assert not opened.exception
    return opened


def test_a_table_of_few_rows_has_no_choice(app):
    assert [box.key for box in app.selectbox] == ["sort-genes"] and len(app.dataframe) == 2


def test_columns_that_can_be_told_apart_sort_in_both_directions(app):
    box = app.selectbox[0]
    assert box.label == "Sort by" and list(box.options) == [
        "gene, descending",
        "gene, ascending",
        "log2 fold, descending",
        "log2 fold, ascending",
    ]


@pytest.mark.parametrize(
    ("option", "genes"),
    [
        (None, "bAcDeF"),
        ("gene, ascending", "AbcDeF"),  # whatever the case
        ("gene, descending", "FeDcbA"),
        ("log2 fold, descending", "FbDecA"),  # equal values as they came, a missing value last
        ("log2 fold, ascending", "cebDFA"),
    ],
)
def test_rows_stand_in_the_order_of_the_chosen_column(app, option, genes):
    if option is not None:
        app.selectbox[0].set_value(_value(option)).run()
    assert not app.exception
    assert "".join(app.dataframe[0].value["gene"]) == genes


def test_a_picked_row_is_the_one_that_was_meant():
    """Its place in the order that the reader sees is not its place in the table."""
    from genediff.ui.kit import tables

    values = pd.Series([3.0, np.nan, 1.0, 2.0], index=list("dcba"))
    assert list(tables._order(values, descending=True)) == [0, 3, 2, 1]
    assert list(tables._order(values, descending=False)) == [2, 3, 0, 1]


@pytest.mark.parametrize(
    "ordered",
    [["-3%", "2%", "9%", "12%", "1,200%"], ["CD3E", "CD8A", "CD14", "FTL"], ["0 / 8", "2 / 8", "10 / 8", "all"]],
    ids=lambda ordered: ordered[-1],
)
def test_numbers_in_text_stand_in_the_order_of_numbers(ordered):
    """12% stood before 9%, and CD14 before CD8A."""
    from genediff.ui.kit import tables

    values = pd.Series(ordered[::-1])
    assert list(values.iloc[tables._order(values, descending=False)]) == ordered
    mixed = pd.Series(["z1", "1.5", "z", "a2b10", "", "-1.5", None])  # words beside numbers
    assert tables._order(mixed, descending=True)[-1] == 6


def test_numbers_names_and_missing_values():
    def script():
        import pandas as pd

        from genediff.ui.kit import tables

        table = pd.DataFrame({"a type": ["B <b>cell</b>", "T & NK"], "share": [0.25, None], "n": [1200, 3]})
        tables.small(table, formats={"share": ".1%", "n": ","}, shade=lambda value: f"opacity: {value}", shaded=["n"])

    app = AppTest.from_function(script).run()
    assert not app.exception
    said = app.get("html")[0].proto.body
    assert "<td>B &lt;b&gt;cell&lt;/b&gt;</td>" in said and "<td>T &amp; NK</td>" in said
    assert '<td class="gd-number">25.0%</td>' in said and '<td class="gd-number">–</td>' in said
    assert '<td class="gd-number" style="opacity: 1200">1,200</td>' in said
    assert said.count("<th ") == 3 and said.count("<tr>") == 3


@pytest.mark.parametrize("path", sorted((ROOT / "genediff" / "ui").rglob("*.py")), ids=lambda path: path.stem)
def test_a_table_that_is_drawn_in_a_loop_has_another_name_each_time(path):
    """Gene sets of a token stand in two tables, and the second ended the page: its choice had the first one's key."""
    for loop in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.For)):
        for call in (node for node in ast.walk(loop) if isinstance(node, ast.Call)):
            if ast.unparse(call.func) == "tables.show":
                assert not isinstance(call.args[1], ast.Constant), f"{path.name}: {ast.unparse(call)[:80]}"


def _value(option):
    title, direction = option.split(", ")
    return {"gene": "gene", "log2 fold": "fold"}[title], direction == "descending"
