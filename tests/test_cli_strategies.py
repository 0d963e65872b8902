"""The train command for strategies that are built on gene sets or a network."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from genediff.cli import app
from genediff.runs import list_runs
from genediff.tokenizers import TOKENIZERS
from genediff.workspace import Workspace


def train(*arguments, code=0):
    done = CliRunner().invoke(app, ["train", "pbmc3k", "--detach", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--strategy", "word"), "unknown strategy 'word'"),
        (("--strategy", "pathway", "--preset", "cfgen-style"), "is for latent tokens"),
        (("--strategy", "pathway", "--gene-sets", "halmark"), "There is no collection of gene sets 'halmark'"),
        (("--strategy", "rank", "--gene-sets", "hallmark"), "use no gene sets"),
        (("--strategy", "latent", "--shuffled"), "nothing to shuffle"),
    ],
)
def test_what_does_not_fit_is_said_before_a_run_is_made(arguments, said):
    assert said in train(*arguments, code=1)
    assert list_runs(Workspace()) == []


def test_a_strategy_its_sets_and_the_control_reach_the_run():
    train("--strategy", "pathway", "--gene-sets", "nmf:12", "--shuffled", "--tokenizer-steps", 100000)
    (run,) = list_runs(Workspace())
    run.cancel(wait=300)
    model = run.config["model"]
    assert (model["tokenizer"], model["gene_sets"], model["shuffled"]) == ("pathway", "nmf:12", True)


def test_a_gmt_file_is_kept_in_the_library(tmp_path):
    genes = Workspace().open_dataset("pbmc3k").genes
    file = tmp_path / "mine.gmt"
    file.write_text("".join(f"S{k}\t\t" + "\t".join(genes[20 * k : 20 * k + 20]) + "\n" for k in range(6)))
    assert "in the library as mine" in train("--strategy", "pathway", "--gene-sets", file)
    (run,) = list_runs(Workspace())
    run.cancel(wait=300)
    assert run.config["model"]["gene_sets"] == "mine"
    assert len(Workspace().library().gene_sets("mine").sets) == 6


@pytest.mark.parametrize("strategy", [name for name, kind in TOKENIZERS.items() if "network" in kind.needs])
def test_a_network_may_be_refined(strategy):
    train("--strategy", strategy, "--network", "trrust+inferred:500")
    (run,) = list_runs(Workspace())
    run.cancel(wait=300)
    assert run.config["model"]["network"] == "trrust+inferred:500"
