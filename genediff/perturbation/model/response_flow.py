"""A flow from moved control cells to perturbed cells, on the tokens of a trained model of any strategy.

Control cells are moved by the predicted change and cut into tokens; from there the flow carries them to where the
tokens of perturbed cells lie. It is told the predicted change itself, on the components of the training changes, and
the state of the controls: so it knows a perturbation by what its targets do, not by a number, and unseen genes and
combinations are no special case. On tokens that are genes a knock-out sets the gene's value and cuts its outgoing
edges, in the tokenizer and in the flow's attention. Its last layer starts at zero, where it leaves moved cells where
they are. Whether cells are drawn by it is decided by the energy distance to the cells of the validation part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from genediff.core.checkpoint import finish_replacement, read_tensors, write_folder
from genediff.core.errors import InputError
from genediff.core.json_files import read_object
from genediff.models.denoiser import TokenBackbone
from genediff.nn.edge_block import without_edges_from
from genediff.nn.edge_lists import Graph
from genediff.nn.embeddings import TimeEmbedding
from genediff.perturbation.mean_shift import cells_with_mean, move_cells
from genediff.perturbation.perturbation_metrics import e_distance

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset
    from genediff.models.generative_model import GenerativeModel
    from genediff.models.response_config import ResponseConfig
    from genediff.perturbation import Group, Perturbation
    from genediff.perturbation.model.response_model import ResponseModel

WIDTH, DEPTH, HEADS = 64, 2, 4
BATCH, RATE, N_STEPS = 64, 1e-3, 8
CHECKPOINT_EVERY = 200
MOST_CELLS = 400
MOST_TWINS = 8
SILENT = ("knock_out", "knock_down")
"""What is done to genes that then send less than they did; their edges are cut."""


class ResponseConditioning(nn.Module):
    """What steers the flow: the time and a vector that describes perturbation and controls."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.time = TimeEmbedding(width)
        self.given = nn.Sequential(nn.Linear(size, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor, given: Tensor) -> Tensor:
        """Map times (cell,) and descriptions (cell, number) to (cell, width)."""
        return self.time(t) + self.given(given)


class TokenFlow:
    """The trained flow and the token model that it runs on.

    Parameters
    ----------
    base
        The token model; its weights stay.
    axes
        Components that describe changes and controls, (component, gene).
    scales
        Standard deviation of each number that describes, (2 x component,).
    network
        The velocity.
    gain
        Energy distances on the validation part: of moved cells, and of the flow's.
    """

    def __init__(
        self,
        base: GenerativeModel,
        base_id: str,
        axes: np.ndarray,
        scales: np.ndarray,
        dataset: Dataset,
        control: np.ndarray,
    ) -> None:
        self.base, self.base_id, self.axes, self.scales = base.eval().requires_grad_(False), base_id, axes, scales
        self.dataset, self.control = dataset, control
        self.gain: tuple[float, float] = (0.0, 0.0)
        config = base.spec.run.model.model_copy(
            update={"width": WIDTH, "depth": DEPTH, "heads": HEADS}
        )  # the backbone that the strategy's tokens ask for, only smaller
        torch.manual_seed(0)
        self.network = TokenBackbone(base.tokenizer.layout, config, (), library=True)
        self.network.steering = ResponseConditioning(len(scales), WIDTH)  # type: ignore[assignment]
        self.network.to(base.device)
        self.places = {name: place for place, name in enumerate(base.genes)}
        # Only edges between genes are cut: tokens of another kind are no one gene's.
        self.has_edges = any(
            isinstance(part, Graph) and part.n_tokens == len(base.genes)
            for module in (self.network, base.tokenizer) for part in module.modules()
        )  # fmt: skip
        self._twins: dict[tuple[int, ...], tuple[GenerativeModel, TokenBackbone]] = {}

    # -- between cells, states and descriptions --------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return what rebuilds the flow around its weights."""
        return {"base_id": self.base_id, "e_distance_moved": self.gain[0], "e_distance_flow": self.gain[1]}

    @property
    def helps(self) -> bool:
        """Whether its cells came nearer to the validation part's than moved cells did."""
        return self.gain[1] < self.gain[0]

    def cut(self, perturbation: Perturbation) -> tuple[int, ...]:
        """Return the genes, by their places, whose outgoing edges a perturbation cuts; none without edges."""
        if not self.has_edges or perturbation.kind != "gene" or perturbation.mode not in SILENT:
            return ()
        return tuple(sorted(self.places[name] for name in perturbation.targets if name in self.places))

    def _without(self, cut: tuple[int, ...]) -> tuple[GenerativeModel, TokenBackbone]:
        """Return token model and network without the edges that leave some genes; weights are shared."""
        if not cut:
            return self.base, self.network
        if cut not in self._twins:
            while len(self._twins) >= MOST_TWINS:  # each keeps lists of its edges
                self._twins.pop(next(iter(self._twins)), None)
            self._twins[cut] = without_edges_from(self.base, cut), without_edges_from(self.network, cut)
        return self._twins[cut]

    @torch.no_grad()
    def encode(self, counts: np.ndarray, cut: tuple[int, ...] = ()) -> Tensor:
        """Return states of counts (cell, gene): tokens or, for a model in gene space, expression; the library last."""
        base, _ = self._without(cut)
        if base.in_count_space:
            raise InputError(
                "responses are not learned on models in count space yet; choose one in latent or gene space"
            )
        measured = torch.from_numpy(np.asarray(counts, dtype=np.float32)).to(base.device)
        library = measured.sum(1).clamp(min=1)  # (cell,)
        scaled = base.standardise(base.log_normalise(measured, library))
        if base.in_latent_space:
            scaled = (base.tokenizer.encode(scaled).flatten(1) - base.token_mean) / base.token_std
        return torch.cat([scaled, base.standardise_library(library)], dim=1)

    def start(self, moved: np.ndarray, perturbation: Perturbation) -> Tensor:
        """Return the states where the flow starts: of moved control cells (cell, gene), with knocked-out genes at 0."""
        cut = self.cut(perturbation)
        if cut and perturbation.mode == "knock_out":
            moved = moved.copy()
            moved[:, list(cut)] = 0
        return self.encode(moved, cut)

    def describe_change(self, delta: np.ndarray, control_mean: np.ndarray) -> np.ndarray:
        """Return what tells the flow of a change and its controls, (2 x component,)."""
        said = np.concatenate([self.axes @ delta, self.axes @ (control_mean - self.control)])
        return said / self.scales

    def velocity(self, state: Tensor, t: Tensor, given: Tensor, cut: tuple[int, ...] = ()) -> Tensor:
        """Return where states (cell, dim) move at times t (cell,)."""
        base, network = self._without(cut)
        if base.in_latent_space:
            moved, library = network(state[:, :-1].unflatten(1, network.shape), state[:, -1:], t, given)
            return torch.cat([moved.flatten(1), library], dim=1)
        tokens = base.tokenizer.encode(state[:, :-1])  # (cell, token, channel)
        moved, library = network(tokens, state[:, -1:], t, given)
        change = base.tokenizer.decode(tokens + moved) - base.tokenizer.decode(tokens)  # (cell, gene)
        return torch.cat([change, library], dim=1)

    # -- cells -----------------------------------------------------------------------------------------------------

    def cells(
        self, source: np.ndarray, delta: np.ndarray, perturbation: Perturbation, *, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return x and counts, (cell, gene) each, of control cells moved and carried on; their mean is as predicted.

        Parameters
        ----------
        source
            Row numbers of control cells.
        delta
            Predicted mean change of x, (gene,).
        perturbation
            What is done.
        seed
            The same seed gives the same cells.
        """
        _, moved = move_cells(self.dataset, source, delta, seed=seed)
        assert moved is not None
        mean = np.asarray(self.dataset.x()[source].mean(0), dtype=np.float64).ravel()
        drawn = self._carried(moved, self.describe_change(delta, mean), perturbation, seed)
        return cells_with_mean(self.dataset, drawn, np.maximum(mean + delta, 0.0), seed=seed)

    @torch.no_grad()
    def _carried(self, moved: np.ndarray, given: np.ndarray, perturbation: Perturbation, seed: int) -> np.ndarray:
        cut = self.cut(perturbation)
        state = self.start(moved, perturbation)
        told = torch.from_numpy(given.astype(np.float32)).to(state).expand(len(state), -1)
        for step in range(N_STEPS):
            t = state.new_full((len(state),), (step + 0.5) / N_STEPS)
            state = state + self.velocity(state, t, told, cut) / N_STEPS
        base, _ = self._without(cut)
        counts, _ = base.to_cells(state, generator=torch.Generator().manual_seed(seed))
        return counts.numpy()

    # -- storage ---------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Return weights, and what descriptions are measured in."""
        weights = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        known = {"axes": self.axes, "scales": self.scales, "control": self.control}
        return weights | {
            name: torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)) for name, a in known.items()
        }


def read_flow(
    about: dict[str, Any], tensors: dict[str, Tensor], dataset: Dataset, models: Path, *, device: str
) -> TokenFlow:
    """Rebuild a flow; its token model must be in the library.

    Raises
    ------
    InputError
        When the token model is gone.
    """
    base = _base(models / about["base_id"], dataset, device)
    known = {name: tensors[name].numpy().astype(np.float64) for name in ("axes", "scales", "control")}
    flow = TokenFlow(base, about["base_id"], known["axes"], known["scales"], dataset, known["control"])
    weights = {k.removeprefix("network."): t for k, t in tensors.items() if k.startswith("network.")}
    flow.network.load_state_dict(weights)
    flow.gain = (about["e_distance_moved"], about["e_distance_flow"])
    return flow


def train_flow(
    model: ResponseModel,
    base: Path,
    config: ResponseConfig,
    *,
    folder: Path,
    device: str = "cpu",
    progress: Callable[[str, float, str], None] = lambda *_: None,
    check: Callable[[], None] = lambda: None,
) -> TokenFlow:
    """Train a flow on the training part and hold it against moved cells on the validation part."""
    dataset, task = model.task.dataset, model.task
    axes = np.linalg.svd(model.effects.change, full_matrices=False)[2][:20]
    control = np.mean(list(model.effects.control.values()), axis=0)
    flow = TokenFlow(_base(base, dataset, device), base.name, axes, np.ones(2 * len(axes)), dataset, control)
    pairs = []
    for group in task.part("train"):
        check()
        pairs.append(_pairs(flow, model, group, config.seed))
    flow.scales = np.maximum(np.std([said for _, _, said, _ in pairs], axis=0), 1e-3)
    weights = np.array([len(after) for _, after, _, _ in pairs], dtype=float)
    optimizer = torch.optim.AdamW(flow.network.parameters(), lr=RATE)
    first = _resume(flow, optimizer, folder)
    for step in range(first, config.flow_steps):
        check()
        draw = np.random.default_rng([config.seed, 41, step])
        before, after, said, cut = pairs[draw.choice(len(pairs), p=weights / weights.sum())]
        x_0 = before[torch.from_numpy(draw.choice(len(before), BATCH))]
        x_1 = after[torch.from_numpy(draw.choice(len(after), BATCH))]
        x_1 = x_1[linear_sum_assignment(torch.cdist(x_0, x_1).square().cpu().numpy())[1]]
        t = torch.from_numpy(draw.random(BATCH).astype(np.float32)).to(x_0)
        given = torch.from_numpy((said / flow.scales).astype(np.float32)).to(x_0).expand(BATCH, -1)
        loss = (flow.velocity(x_0 + t[:, None] * (x_1 - x_0), t, given, cut) - (x_1 - x_0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.network.parameters(), 1.0)
        optimizer.step()
        progress("flow", (step + 1) / config.flow_steps, "Learning the flow from moved to perturbed cells.")
        if (step + 1) % CHECKPOINT_EVERY == 0:
            _checkpoint(flow, optimizer, folder, step + 1)
    flow.network.eval()
    flow.gain = _gain(flow, model, config.seed)
    return flow


def _base(folder: Path, dataset: Dataset, device: str) -> GenerativeModel:
    from genediff.models.load_model import load_model
    from genediff.models.model_info import read_spec

    spec = read_spec(folder)
    if not spec.has_counts or tuple(spec.genes) != tuple(dataset.genes):
        raise InputError(
            f"“{spec.title}” cannot carry a flow here: it has to be a model of counts, of the genes of "
            f"{dataset.info.name!r}."
        )
    return load_model(folder, device=device)


def _pairs(
    flow: TokenFlow, model: ResponseModel, group: Group, seed: int
) -> tuple[Tensor, Tensor, np.ndarray, tuple[int, ...]]:
    """Return states of moved control cells and of perturbed cells of a group, what describes it, and what it cuts."""
    task, dataset = model.task, flow.dataset
    draw = np.random.default_rng([seed, 43])
    controls = task.control_rows("train", group.context)
    source = draw.choice(controls, min(len(controls), MOST_CELLS), replace=False)
    delta = model.delta(group.perturbation, group.context)
    _, moved = move_cells(dataset, source, delta, seed=seed)
    assert moved is not None
    rows = group.rows[:MOST_CELLS]
    mean = np.asarray(dataset.x()[source].mean(0), dtype=np.float64).ravel()
    said = flow.describe_change(delta, mean)
    cut = flow.cut(group.perturbation)
    after = flow.encode(dataset.counts()[rows].toarray(), cut)
    return flow.start(moved, group.perturbation), after, said, cut


def _gain(flow: TokenFlow, model: ResponseModel, seed: int) -> tuple[float, float]:
    """Return the mean energy distance to the validation part's cells, of moved cells and of the flow's."""
    task, dataset = model.task, flow.dataset
    found = []
    for group in task.part("validation"):
        controls = task.control_rows("validation", group.context)
        source = np.random.default_rng([seed, 47]).choice(controls, min(len(controls), MOST_CELLS), replace=False)
        delta = model.delta(group.perturbation, group.context)
        real = dataset.project(dataset.x()[group.rows[:MOST_CELLS]])
        moved = move_cells(dataset, source, delta, seed=seed)[0]
        carried = flow.cells(source, delta, group.perturbation, seed=seed)[0]
        found.append([e_distance(dataset.project(x), real) for x in (moved, carried)])
    before, after = np.mean(found, axis=0)
    return float(before), float(after)


def _checkpoint(flow: TokenFlow, optimizer: torch.optim.Optimizer, folder: Path, step: int) -> None:
    tensors = {f"network.{name}": tensor for name, tensor in flow.network.state_dict().items()}
    for number, memory in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in memory.items()}
    write_folder(folder, tensors, {"state.json": f'{{"step": {step}}}'}, name="state")


def _resume(flow: TokenFlow, optimizer: torch.optim.Optimizer, folder: Path) -> int:
    """Put back what a checkpoint holds, and return the step to go on from."""
    if not finish_replacement(folder):
        return 0
    tensors = read_tensors(folder / "state.safetensors")
    flow.network.load_state_dict(
        {k.removeprefix("network."): t for k, t in tensors.items() if k.startswith("network.")}
    )
    memory: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, number, name = key.split(".", 2)
            memory.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": memory, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(read_object(folder / "state.json")["step"])
