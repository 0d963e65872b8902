"""Whether a flow on tokens draws better perturbed cells than moved control cells do, on the simulated screen.

    python -m benchmarks.perturbation_flow [--strategies grn latent] [--seeds 0 1 2] [--steps 2000] [--flow-steps 800]

Held-out pairs; the planted network in the model of perturbations, edges found in the training cells in the token model
of strategies that need a network. The flow keeps the predicted means, so only what is beyond them can change. The row
*edges kept* is the same flow on GRN tokens without cutting the outgoing edges of knocked-out genes. The token model is
trained on the training cells of the data set, whatever was done to them. Writes ``benchmarks/perturbation_flow.md``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

from benchmarks.perturbation_model import dataset_of, network_of
from genediff.models.response_config import ResponseConfig
from genediff.perturbation import Task
from genediff.perturbation.evaluate_predictions import score
from genediff.perturbation.model.fit_response import fit_response
from genediff.perturbation.model.response_flow import TokenFlow, train_flow
from genediff.training.presets import preset_run
from genediff.training.train import train_model
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from typing import Any

PAGE = Path(__file__).with_suffix(".md")
RESULTS = Path(__file__).parent / "results" / "perturbation_flow"
METRICS = ("e_distance", "pearson_delta", "mse")


def base_of(strategy: str, dataset: Any, folder: Path, seed: int, steps: int) -> Path:
    """Train a token model."""
    run = preset_run("quick", dataset.info, strategy=strategy, seed=seed, title=strategy)
    edges = f"inferred:{10 * len(dataset.genes)}"
    known = {"network": edges} if strategy in ("grn", "grn_latent") else {}
    known |= {"gene_sets": "nmf:10"} if "pathway" in strategy else {}
    model = run.model.model_copy(update={**known, "space": "latent", "predict": "velocity"})
    train = run.train.model_copy(update={"steps": steps, "tokenizer_steps": steps})
    library = Workspace(folder / "home").library()
    for _ in train_model(
        run.model_copy(update={"model": model, "train": train}), dataset, folder=folder, model_id=strategy,
        library=library,
    ):  # fmt: skip
        pass
    return folder / "model"


def measure(strategy: str, seed: int, folder: Path, steps: int, flow_steps: int) -> dict[str, Any]:
    """Fit, train flows with and without cut edges, and judge them beside moved cells."""
    dataset = dataset_of("simulated", folder, Path(), seed)
    task = Task.of(dataset, scheme="doubles", seed=seed)
    model = fit_response(task, network=network_of("planted", dataset, seed), seed=seed, members=2)
    begun = time.process_time()
    base = base_of(strategy, dataset, folder / f"{strategy}{seed}", seed, steps)
    config = ResponseConfig(dataset_id=dataset.info.id, base_id=base.name, flow_steps=flow_steps, seed=seed)
    rows: dict[str, Any] = {}
    model.name = "moved"
    rows["moved"] = score(task, [model], with_baselines=False, with_replicate=False, with_de=False).table
    for name in ("flow", "edges kept"):
        with mock.patch.object(TokenFlow, "cut", (lambda self, p: ()) if name == "edges kept" else TokenFlow.cut):
            flow = train_flow(model, base, config, folder=folder / f"{strategy}{seed}{name}")
            if name == "edges kept" and not flow.has_edges:
                continue
            gain, flow.gain = flow.gain, (1.0, 0.0)  # judged whether or not the validation part would keep it
            model.flow, model.name = flow, name
            rows[name] = score(task, [model], with_baselines=False, with_replicate=False, with_de=False).table
            rows[f"{name} validation"] = gain
            model.flow = None
    found = {
        key: value if isinstance(value, tuple) else value[list(METRICS)].mean().to_dict() for key, value in rows.items()
    }
    return found | {"seconds": time.process_time() - begun, "steps": steps, "flow_steps": flow_steps}


def write() -> str:
    """Return the page."""
    text = [
        "# Cells of perturbations: a flow on tokens beside moved control cells",
        "",
        *(__doc__ or "").split("\n\n")[2:],
    ]
    text += [
        "| strategy | seed | cells | E-distance, test | r of the change | kept by the validation part | steps | CPU s |"
    ]
    text += ["| --- | --- | --- | ---: | ---: | --- | ---: | ---: |"]
    for path in sorted(RESULTS.glob("*.json")):
        strategy, seed = path.stem.rsplit("-", 1)
        found = json.loads(path.read_text())
        for name in ("moved", "flow", "edges kept"):
            if name not in found:
                continue
            gain = found.get(f"{name} validation")
            kept = (
                "–" if gain is None else f"{'yes' if gain[1] < gain[0] else 'no'} ({gain[1]:.3f} against {gain[0]:.3f})"
            )
            means = found[name]
            text.append(
                f"| {strategy} | {seed} | {name} | {means['e_distance']:.3f} | {means['pearson_delta']:.3f} "
                f"| {kept} | {found['steps']} + {found['flow_steps']} | {found['seconds']:.0f} |"
            )
    return "\n".join(text) + "\n"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--strategies", nargs="+", default=["grn", "latent"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--flow-steps", type=int, default=800)
    chosen = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for seed in chosen.seeds:
        for strategy in chosen.strategies:
            with tempfile.TemporaryDirectory() as folder:
                found = measure(strategy, seed, Path(folder), chosen.steps, chosen.flow_steps)
            (RESULTS / f"{strategy}-{seed}.json").write_text(json.dumps(found, indent=1) + "\n")
            PAGE.write_text(write())
            print(strategy, seed, np.round([found[k]["e_distance"] for k in ("moved", "flow")], 3), flush=True)


if __name__ == "__main__":
    main()
