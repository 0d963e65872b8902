"""What a trained model in count space is for: held-out nats by depth, and real cells read deeper."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from genediff.core.errors import InputError
from genediff.evaluation.held_out_nats import held_out_nats, paired_gain
from genediff.generation.deepen import expected_shares, read_deeper
from genediff.models.conditions import level_codes
from genediff.models.count_mixture import fit_count_mixture
from genediff.models.load_model import load_model
from genediff.training.count_stage import possible_starts
from genediff.training.train import Training
from tests.training.conftest import events_of

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.models.generative_model import GenerativeModel


@pytest.fixture(scope="module")
def trained(planted: Dataset, tmp_path_factory: pytest.TempPathFactory) -> GenerativeModel:
    from genediff.models.config import ModelConfig, RunConfig, TrainConfig

    options = {"n_tokens": 4, "n_channels": 2, "hidden": 32, "decoder_hidden": 16}
    model = ModelConfig(
        tokenizer_options=options, space="counts", width=32, depth=1, heads=2, conditions=("kind", "day")
    )
    train = TrainConfig(steps=30, batch_size=64, validate_every=10, ema=0.9, patience=0)
    config = RunConfig(dataset_id=planted.info.id, model=model, train=train, device="cpu")
    folder = tmp_path_factory.mktemp("counts")
    events = events_of(Training(config, planted, folder=folder, model_id="m").run)
    assert {e.stage for e in events if e.loss is not None} == {"flow"}
    return load_model(folder / "model", device="cpu")


def test_nats_stand_beside_both_closed_forms_on_the_same_molecules(trained, planted) -> None:
    """Genes of planted cells are independent within their type, so nothing is to be gained, and little may be lost."""
    found = held_out_nats(trained, planted, depths=(10, 30, 100, 100_000))
    assert [row.depth for row in found.rows] == [10, 30, 100]  # no cell has 100,000 molecules
    for row in found.rows:
        assert row.n_cells > 100
        assert row.over_mixture.mean == pytest.approx(row.mixture - row.model, abs=1e-6)
        assert row.over_independent.low < row.over_independent.mean < row.over_independent.high
        assert abs(row.over_independent.mean) < 0.02
        assert row.mixture_over_independent.mean == pytest.approx(row.independent - row.mixture, abs=1e-6)
        assert row.over_start.mean == pytest.approx(row.start - row.model, abs=1e-6)
        assert abs(row.start_over_independent.mean) < 0.02
        assert row.over_smoother.mean == pytest.approx(row.smoother - row.model, abs=1e-6)
        assert row.over_smoother.mean > 0  # neighbours of so few molecules are of any type
        assert 0 < row.model < np.log(len(planted.genes))
    assert found == held_out_nats(trained, planted, depths=(10, 30, 100, 100_000))


def test_a_start_may_be_as_fine_as_the_mixture_that_a_model_is_compared_with() -> None:
    """It was never finer than 40 cells a cluster, so that models of cells in many small groups began behind it."""
    draw = np.random.default_rng(0)
    profiles = draw.dirichlet(np.full(60, 0.2), 25)  # (group, gene)
    groups = np.arange(500) % 25
    counts = csr_matrix(np.stack([draw.multinomial(400, profiles[group]) for group in groups]).astype(np.float32))
    codes, held = torch.zeros(400, 0, dtype=torch.long), torch.zeros(100, 0, dtype=torch.long)
    cells = SimpleNamespace(train=counts[:400], train_codes=codes, validation=counts[400:], validation_codes=held)
    *_, start = possible_starts(cells, np.arange(400), [])
    rival = fit_count_mixture(counts[:400], codes, [], held_out=counts[400:], held_out_codes=held)
    assert start.n_components == rival.n_components > 400 / 40
    assert all(torch.equal(own, rival.state_dict()[name]) for name, own in start.state_dict().items())


def test_intervals_of_paired_gains_cover_nineteen_times_in_twenty() -> None:
    draw = np.random.default_rng(0)
    gains = [paired_gain(draw.normal(0.2, 1, 30)) for _ in range(4000)]
    share = np.mean([gain.low <= 0.2 <= gain.high for gain in gains])
    assert share == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / 4000) ** 0.5)


def test_other_spaces_have_no_nats_in_this_currency(small, planted, tmp_path) -> None:
    events_of(Training(small(tokenizer_steps=1, steps=1), planted, folder=tmp_path, model_id="m").run)
    latent = load_model(tmp_path / "model", device="cpu")
    with pytest.raises(InputError, match="latent space"):
        held_out_nats(latent, planted)
    with pytest.raises(InputError, match="counts"):
        read_deeper(latent, planted.counts("test"), level_codes(latent, planted, "test"), library=np.ones(1))


def test_thinned_cells_are_restored_better_than_by_the_profile_of_all(trained, planted) -> None:
    """Deep cells, thinned to 25 molecules, no label given: what they will show is nearer the truth than a mean cell."""
    deep = planted.counts("test").tocsr()
    from genediff.diffusion.thinning import read_molecules

    whole = torch.from_numpy(deep.toarray()).float()
    shallow = read_molecules(whole, torch.full((len(whole),), 25.0), generator=torch.Generator().manual_seed(0))
    from scipy.sparse import csr_matrix

    unknown = trained.null.expand(len(whole), -1)
    library = whole.sum(1).numpy()
    shares = expected_shares(trained, csr_matrix(shallow.numpy()), unknown, library=library)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-4)
    rest = (whole - shallow).numpy()
    everyone = planted.counts("train").sum(0) / planted.counts("train").sum()
    ours = -(rest * np.log(shares)).sum(1) / rest.sum(1)
    mean_cell = -(rest * np.log(np.asarray(everyone))).sum(1) / rest.sum(1)
    assert (ours < mean_cell).mean() > 0.95
    deeper = read_deeper(trained, csr_matrix(shallow.numpy()), unknown, library=library, seed=1, n_steps=5).toarray()
    np.testing.assert_array_equal(deeper.sum(1), library)
    assert (deeper >= shallow.numpy()).all()
    again = read_deeper(trained, csr_matrix(shallow.numpy()), unknown, library=library, seed=1, n_steps=5).toarray()
    np.testing.assert_array_equal(deeper, again)


def test_values_that_are_no_counts_cannot_be_read_deeper(trained, planted) -> None:
    x = planted.counts("test").tocsr() * 0.5
    with pytest.raises(InputError, match="whole numbers"):
        read_deeper(trained, x, level_codes(trained, planted, "test"), library=np.full(x.shape[0], 500.0))


def test_one_cell_is_shown_with_what_was_measured_and_what_is_expected(trained, planted) -> None:
    from genediff.plots.deeper_plots import deeper_genes
    from genediff.ui.generate.deepen_view import one_cell

    table = one_cell(trained, planted, 3, times=2, seed=0)
    own = planted.counts("test").toarray()[3]
    by_gene = table.set_index("gene")
    assert by_gene["measured"].reindex(list(planted.genes)).tolist() == own.tolist()
    for column in ("expected", "closed_form"):
        assert by_gene[column].sum() == pytest.approx(2 * own.sum(), rel=1e-3)
    assert (table["low"] <= table["expected"]).all() and (table["expected"] <= table["high"]).all()
    assert (table["expected"] - table["measured"]).is_monotonic_decreasing
    figure = deeper_genes(table.head(10))
    assert [trace.name for trace in figure.data] == ["measured", "expected, closed form", "expected, model"]
    assert list(figure.data[0].y) == table["gene"].head(10).tolist()
