"""What a model's folder keeps of gene sets and network."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from genediff.core.errors import InputError
from genediff.knowledge import GeneSets, Knowledge, make_gene_sets, make_network
from tests.slowdown import slowdown


def _large() -> Knowledge:
    draw = np.random.default_rng(0)
    genes = np.array([f"GENE{i}" for i in range(20_000)], dtype=object)
    edges = pd.DataFrame({"source": draw.choice(genes[:1500], 100_000), "target": draw.choice(genes, 100_000),
                          "weight": draw.random(100_000) + 0.01, "sign": draw.choice([-1, 0, 1], 100_000)})  # fmt: skip
    sets = {f"s{i}": draw.choice(genes, 50, replace=False).tolist() for i in range(200)}
    return Knowledge(make_gene_sets("sets", sets, descriptions={"s1": "first"}), make_network("net", edges))


def test_nothing_is_lost_on_the_way():
    known = _large()
    text = known.to_json()
    assert len(text) < 6e6, "names are written once"
    start = time.perf_counter()
    back = Knowledge.from_json(text)
    assert time.perf_counter() - start < 5 * slowdown()  # 0.3 s on a quiet machine
    assert back.gene_sets == known.gene_sets
    assert back.network is not None and known.network is not None
    pd.testing.assert_frame_equal(back.network.edges, known.network.edges)
    assert back.to_json() == text


def test_either_part_may_be_missing():
    empty = Knowledge.from_json(Knowledge().to_json())
    assert empty.gene_sets is None and empty.network is None
    one = Knowledge(GeneSets("s", {"a": ("X", "Y")}, "here", "free"))
    assert Knowledge.from_json(one.to_json()).gene_sets == one.gene_sets


def test_further_columns_travel():
    net = make_network("n", pd.DataFrame({"source": ["A"], "target": ["B"]}))
    net.edges["provenance"] = "both"
    back = Knowledge.from_json(Knowledge(None, net).to_json()).network
    assert back is not None and back.edges["provenance"].tolist() == ["both"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version":1}', '{"format_version":99,"genes":[]}',
                                  '{"format_version":1,"genes":["A"],"gene_sets":{"sets":{"a":[3]}}}'])  # fmt: skip
def test_broken_text_is_one_sentence(text):
    with pytest.raises(InputError):
        Knowledge.from_json(text)
