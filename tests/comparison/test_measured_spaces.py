"""What was measured of a strategy in each space stands beside the choice of one."""

from __future__ import annotations

import json
import shutil
from statistics import mean

from genediff.comparison.comparison_store import list_comparisons
from genediff.comparison.measured_spaces import measured_in_spaces
from genediff.core.installation import ASSETS
from genediff.core.users import Limits, user_root
from genediff.workspace import Workspace


def test_the_sentence_holds_the_means_of_the_shipped_table(tmp_path):
    folder = ASSETS / "comparisons" / "pbmc3k"
    rows = json.loads((folder / "comparison.json").read_text())["rows"]
    results = json.loads((folder / "table.json").read_text())["results"]
    sentence = measured_in_spaces("latent", ("latent", "counts"), Workspace())
    for title, space in (("Latent tokens", "latent space"), ("Latent tokens, count space", "count space")):
        [place] = [number for number, row in enumerate(rows) if row["title"] == title]
        values = [one["values"] for one in results if one["place"] == place]
        auc = [mean(of[name] for of in values) for name in ("c2st_pcs", "c2st_genes")]
        assert f"{space} {auc[0]:.2f} / {auc[1]:.2f}" in sentence
    assert measured_in_spaces("unheard", ("latent",), Workspace()) is None
    assert "count space" not in measured_in_spaces("latent", ("latent",), Workspace())
    assert measured_in_spaces("latent", ("latent",), Workspace(tmp_path, assets=tmp_path)) is None


def test_a_comparison_that_others_share_is_not_said_to_ship(tmp_path):
    shutil.copytree(ASSETS / "comparisons" / "pbmc3k", tmp_path / "comparisons" / "pbmc3k")
    place = Workspace(user_root(tmp_path, "browser", "one", Limits()), assets=tmp_path / "nothing")
    assert list_comparisons(place)
    assert measured_in_spaces("latent", ("latent",), place) is None
