"""Pages under AppTest: opened as a browser opens them, with no data, with data, and with a trained model."""

from __future__ import annotations

import math
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from genediff.core.installation import ASSETS
from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.planted import planted_gene_sets, planted_network
from genediff.data.simulation.simulate import simulate
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.models.config import ModelConfig, RunConfig, SampleConfig, TrainConfig
from genediff.tokenizers import TOKENIZERS
from genediff.training.train import train_model
from genediff.ui.kit import background, caching
from genediff.ui.run_views.timed_in_turn import Measurement
from genediff.workspace import DEMO_DATASET, Workspace
from tests.conftest import shorten_start
from tests.tokenizers.conftest import tiny_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(sorted(path.stem for path in (ROOT / "pages").glob("*.py")))


class OpenPage(Protocol):
    """Opens a page at an address and runs it."""

    def __call__(self, name: str, query: Mapping[str, str] | None = None) -> AppTest: ...


@pytest.fixture(autouse=True)
def _quiet_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave UMAP cold, and forget what other tests have cached."""
    monkeypatch.setenv("GENEDIFF_WARM_UP", "0")
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(scope="module", autouse=True)
def _no_thread_left() -> Iterator[None]:
    """Wait for the end of what pages do in the background before another file's tests begin.

    Torch in a thread does not survive the end of the interpreter; and filters of warnings are the whole process's, so
    a thread that ignores some took away what a later test had asked for.
    """
    yield
    for thread in threading.enumerate():
        if thread.name in ("background", "estimate", "generate"):
            thread.join(timeout=600)


@pytest.fixture(autouse=True)
def _nothing_goes_on() -> Iterator[None]:
    """Cancel what a test's pages do in the background: nobody looks any more, and the next test needs the cores."""
    works: list[background.Work] = []
    measurements: list[Measurement[Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        for kind, begun in ((background.Work, works), (Measurement, measurements)):
            patch.setattr(kind, "__init__", _noted(kind.__init__, begun))
        yield
    for work in works:
        work.cancel()
    for measurement in measurements:
        measurement.asked = -math.inf


def _noted(made: Callable[..., None], begun: list[Any]) -> Callable[..., None]:
    def noted(one: Any, *given: Any, **named: Any) -> None:
        made(one, *given, **named)
        begun.append(one)

    return noted


@pytest.fixture
def open_page() -> OpenPage:
    """Open a page as from a link: its ids in the address, nothing in the session."""

    def open_(name: str, query: Mapping[str, str] | None = None) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
        for key, value in (query or {}).items():
            app.query_params[key] = value
        app.switch_page(f"pages/{name}.py").run()
        assert not app.exception, [one.message for one in app.exception]
        return app

    return open_


@pytest.fixture
def workspace(own_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The user's workspace: empty but for the shipped cells and knowledge.

    The shipped model would be one more in every list.
    """
    cells_only = tmp_path / "cells-only"
    cells_only.mkdir()
    for shipped in ("datasets", "knowledge"):
        (cells_only / shipped).symlink_to(ASSETS / shipped)
    place = Workspace(own_workspace, assets=cells_only)
    monkeypatch.setattr(caching, "workspace", lambda: place)
    return place


@pytest.fixture
def no_data(own_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace beside which nothing ships: what a user sees who has nothing at all."""
    empty = tmp_path / "no-assets"
    empty.mkdir()
    bare = Workspace(own_workspace, assets=empty)
    monkeypatch.setattr(caching, "workspace", lambda: bare)
    return bare


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the demo cells, trained for a few steps: real in every way but good."""
    folder = tmp_path_factory.mktemp("training")
    dataset = Workspace(folder / "home").open_dataset(DEMO_DATASET)
    config = RunConfig(
        name="A tiny model",
        dataset_id=DEMO_DATASET,
        model=ModelConfig(
            tokenizer_options={"n_tokens": 4, "n_channels": 2, "hidden": 32}, width=32, depth=1, heads=2,
            conditions=(str(dataset.info.label),),
        ),
        train=TrainConfig(tokenizer_steps=10, steps=10, batch_size=32, tokenizer_batch_size=32, warmup=2, patience=0),
        sample=SampleConfig(sampler="euler", n_steps=2),
        device="cpu",
    )  # fmt: skip
    for _ in train_model(config, dataset, folder=folder, model_id="tiny"):
        pass
    return folder / "model"


@pytest.fixture
def model_id(_trained: Path, workspace: Workspace) -> str:
    """A trained model in the workspace; its data set is the demo."""
    shutil.copytree(_trained, workspace.models / "tiny")
    return "tiny"


SPACES = [(name, space) for name, kind in TOKENIZERS.items() for space in kind.spaces[:1]] + [
    ("latent", "gene"),
    ("grn", "gene"),
]


@pytest.fixture(scope="session")
def _home_of_all_strategies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with 150 simulated cells, what is planted in them, and a model of every strategy."""
    folder = tmp_path_factory.mktemp("strategies")
    place = Workspace(folder / "home", assets=folder / "nothing-ships")
    config = TruthConfig(n_genes=50, n_regulators=6, n_types=2, n_pathways=3, pathway_size=8, n_gated_pairs=0)
    cells = simulate(draw_truth(config, seed=1), n_cells=150, seed=0)
    sets, network = planted_gene_sets(cells), planted_network(cells)
    cells.uns.clear()
    cells.obsm.clear()
    cells.write_h5ad(folder / "cells.h5ad")
    how = ImportConfig(label="cell_type", n_genes=50, umap=False, n_pcs=5, min_cells_per_gene=1, name="planted")
    dataset = import_cells(folder / "cells.h5ad", how, place.datasets)
    library = place.library()
    known = {"gene_sets": library.add_gene_sets(sets), "network": library.add_network(network)}
    for name, space in SPACES:
        model = ModelConfig.model_validate(
            {
                "tokenizer": name,
                "tokenizer_options": tiny_options(name),
                "space": space,
                "predict": "data" if space == "gene" else "velocity",
                "width": 16,
                "depth": 1,
                "heads": 2,
                **{need: known[need] for need in TOKENIZERS[name].needs},
            }
        )
        train = TrainConfig(
            tokenizer_steps=3, steps=2, batch_size=32, tokenizer_batch_size=32, warmup=1, patience=0, validate_every=100
        )
        run = RunConfig(name=f"{name}-{space}", dataset_id=dataset.info.id, model=model, train=train, device="cpu")
        with pytest.MonkeyPatch.context() as patch:
            shorten_start(patch)
            for _ in train_model(
                run, dataset, folder=folder / name / space, model_id=f"{name}-{space}", library=library
            ):
                pass
        shutil.copytree(folder / name / space / "model", place.models / f"{name}-{space}")
    return folder


@pytest.fixture
def planted(_home_of_all_strategies: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The workspace with a model of every strategy as the server's own."""
    monkeypatch.setenv("GENEDIFF_HOME", str(_home_of_all_strategies / "home"))
    place = Workspace(_home_of_all_strategies / "home", assets=_home_of_all_strategies / "nothing-ships")
    monkeypatch.setattr(caching, "workspace", lambda: place)
    yield place
    wait_for_background()


def texts(app: AppTest) -> str:
    """Return all that a page says, for looking things up."""
    parts = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.error, *app.info, *app.success, *app.warning]
    return "\n".join(str(part.value) for part in parts)


def wait_for_background() -> None:
    """Wait for what pages measure in threads of their own."""
    for thread in threading.enumerate():
        if thread.name == "background":
            thread.join(timeout=600)


def ready(app: AppTest, *, most: int = 8) -> AppTest:
    """Run the page again until what it measures in the background is there."""
    for _ in range(most):
        wait_for_background()
        app.run()
        if not any(button.label == "Cancel" for button in app.button):
            break
    assert not app.exception, [one.message for one in app.exception]
    assert not app.error, [one.value for one in app.error]
    return app
