"""How good are generated cells? Every preset and baseline, on every labelled real data set, on three splits.

    python -m benchmarks.generation --data pbmc3k kang --rows quick cfgen-style --replicates 0 1 2
    python -m benchmarks.generation --table        # the table of all results so far, also into generation.md

A replicate is a split and a training seed of its own, so test cells differ between replicates. Each result is one JSON
file in ``--results``; what is there is not run again. Cells are generated for the labels of the test cells, library
size included, and judged by `genediff.evaluation.evaluate`. The row ``scvi`` needs scvi-tools
(benchmarks/requirements.txt); ``prototype`` is the plainest model that works (benchmarks/prototype.py).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import numpy as np
import pandas as pd

from benchmarks.prototype import prototype_cells
from genediff.data import ImportConfig, import_cells
from genediff.evaluation import Evaluation, evaluate
from genediff.training.presets import PRESETS, preset_run
from genediff.workspace import Workspace

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data" / "h5ad"
MISSING = "(missing)"

DATASETS: dict[str, tuple[str, dict[str, object]]] = {
    "pbmc3k": (
        "pbmc3k_raw_counts.h5ad",
        {"label": "cell_type_derived", "exclude_levels": {"cell_type_derived": ("filtered", MISSING)}},
    ),
    "kang": ("kang_ifnb_counts_2000cells_harmony.h5ad", {"label": "cell_type_pred", "conditions": ("condition",)}),
    "papalexi": ("papalexi_thp1_crisprko_299genes_counts_sceptre.h5ad", {"label": "perturbation"}),
    "carpool": ("carpool_doubles_semisynthetic.h5ad", {"label": "perturbation"}),
    "spectra": ("spectra_sample_lognorm.h5ad", {}),
}
BEFORE = "quick-before"
"""Quick as it was until its flow saw four times as many cells: results that are kept to compare with."""
ROWS = (*PRESETS, "quick-gene", "quick-mlp", "scvi", "prototype")
HEAD = """# Generation: presets and baselines on held-out cells

Written by `python -m benchmarks.generation --table` from the results beside it. In brackets behind a row: how many
splits it was run on; figures are their mean ± standard deviation. A single run carries noise of about ± 0.02 in C2ST
and ± 2 in debiased W2². Training ran in one thread, several processes side by side on two shared cores: its seconds are
the processor's (rows that did not count them have none), and cells/s only compare rows. *quick-before* is quick as it
was: a flow of 2,000 steps of 128 cells, each token read alone. Notes on what was tried stand in generation_notes.md.

"""
METRICS = {
    "c2st_pcs": "C2ST PCs",
    "c2st_genes": "C2ST genes",
    "w2_debiased": "W2² debiased",
    "w2": "W2",
    "precision": "precision",
    "recall": "recall",
    "train_ratio": "nearest-train",
    "correlation_error": "gene-corr error",
    "tstr_f1": "TSTR F1",
}


def dataset_of(name: str, replicate: int, workspace: Workspace):
    """Import a data set under the split of a replicate, or open it when that was done before."""
    title = f"{name}, split {replicate}"
    for info in workspace.list_datasets():
        if info.name == title:
            return workspace.open_dataset(info.id)
    file, choices = DATASETS[name]
    choices = {**choices, "name": title, "seed": replicate, "umap": False}
    if name == "spectra":
        choices["label"] = _only_label(DATA / file)
    return import_cells(DATA / file, ImportConfig.parse(choices), workspace.datasets)


def _only_label(path: Path) -> str:
    from genediff.data import diagnose

    label = diagnose(path).label
    assert label is not None, f"{path.name} has no label column"
    return label


def train(row: str, dataset, replicate: int, folder: Path):
    """Train a preset, with the label and further conditions of the data set; return the model and its cost."""
    import torch

    from genediff.models.load_model import load_model
    from genediff.training.train import Training

    preset = row.removesuffix("-gene").removesuffix("-mlp")
    space = "gene" if row.endswith("-gene") else None
    names = tuple(dataset.info.conditions)
    run = preset_run(preset, dataset.info, space=space, conditions=names, seed=replicate, title=row)
    if row.endswith("-mlp"):
        run = run.model_copy(update={"model": run.model.model_copy(update={"backbone": "mlp", "width": 256})})
    wall, cpu = time.perf_counter(), time.process_time()
    for event in Training(run, dataset, folder=folder, model_id=row).run():
        if event.validation is not None:
            print(f"  {event.stage} {event.step}/{event.total_steps} {event.validation:.3f}", flush=True)
    cost = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    model = load_model(folder / "model")
    return model, {**cost, "n_parameters": model.n_parameters, "threads": torch.get_num_threads()}


def scvi_cells(dataset, label: str, replicate: int):
    """Train scVI (scvi-tools) on the training cells and draw from its prior for the labels of the test cells."""
    import scvi
    import torch
    from anndata import AnnData

    scvi.settings.seed = replicate
    wall = time.perf_counter()
    obs = dataset.obs.loc[dataset.obs["split"] == "train", [label]].astype(str)
    train_cells = AnnData(dataset.counts("train"), obs=obs)
    scvi.model.SCVI.setup_anndata(train_cells, batch_key=label)
    # The encoder must know the label too: else z keeps the cell type, and a prior draw meets labels it does not fit.
    model = scvi.model.SCVI(train_cells, n_latent=10, gene_likelihood="nb", encode_covariates=True)
    # scVI's KL term grows over 400 epochs by default: after 100 it has a quarter of its weight, and draws from the
    # prior then meet a decoder that never saw it (C2ST .94, debiased W2² 64 on the first split).
    plan = {"n_epochs_kl_warmup": 25}
    model.train(max_epochs=100, accelerator="cpu", enable_progress_bar=False, plan_kwargs=plan)
    seconds = time.perf_counter() - wall
    # Class-conditional: the label is scVI's covariate, the latent comes from the prior, the library from the training
    # cells of the same class (never from test cells).
    rng = np.random.default_rng(replicate)
    wanted = dataset.obs.loc[dataset.obs["split"] == "test", label].astype(str).to_numpy()
    library = np.asarray(dataset.counts("train").sum(1)).ravel()
    known = obs[label].to_numpy()
    levels = list(model.adata_manager.get_state_registry("batch").categorical_mapping)
    drawn = np.array([rng.choice(library[known == level]) for level in wanted], dtype=np.float32)
    with torch.no_grad():
        torch.manual_seed(replicate)
        codes = torch.tensor([levels.index(level) for level in wanted])[:, None]
        z = torch.randn(len(wanted), 10)
        out = model.module.generative(z=z, library=torch.log(torch.tensor(drawn))[:, None], batch_index=codes)
        counts = out["px"].sample().numpy()
    cells = AnnData(counts.astype(np.float32), obs=pd.DataFrame({label: wanted}))
    cells.obs_names = [f"scvi_{i}" for i in range(len(cells))]
    cells.var_names = list(dataset.genes)
    n = sum(p.numel() for p in model.module.parameters())
    return cells, {"seconds": seconds, "n_parameters": n}


def run_one(name: str, row: str, replicate: int, args: argparse.Namespace) -> None:
    """Train, generate and judge one row; write its JSON."""
    path = args.results / f"{name}_{row}_{replicate}.json"
    if path.exists():
        return
    print(f"{name} {row} {replicate}", flush=True)
    dataset = dataset_of(name, replicate, Workspace(args.workspace))
    label = dataset.info.label
    if row == "scvi":
        cells, cost = scvi_cells(dataset, label, replicate)
    elif row == "prototype":
        cells, cost = prototype_cells(dataset, label, replicate)
    else:
        model, cost = train(row, dataset, replicate, args.workspace / "models" / f"{name}_{row}_{replicate}")
        asked = dataset.obs.loc[dataset.obs["split"] == "test", list(model.conditions)]
        model.generate(conditions=asked.head(64), seed=99)  # warm
        begun = time.perf_counter()
        cells = model.generate(conditions=asked, seed=replicate)
        cost["cells_per_second"] = len(asked) / (time.perf_counter() - begun)
    report = evaluate(cells, dataset, label=label, seeds=(0, 1, 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"data": name, "row": row, "replicate": replicate, "cost": cost, "evaluation": report.to_dict()})
    )
    print(f"  {report.headline()} {cost}", flush=True)


def tables(results: Path) -> str:
    """Return the Markdown tables of all results: mean ± sd over replicates."""
    found = [json.loads(path.read_text()) for path in sorted(results.glob("*.json"))]
    out = []
    for name in DATASETS:
        here = [r for r in found if r["data"] == name]
        if not here:
            continue
        rows: dict[str, list[dict[str, float]]] = {}
        seen: set[tuple[str, int]] = set()
        for result in here:
            report = Evaluation.from_dict(result["evaluation"])
            sources = {"model": result["row"]}
            if result["row"] in ("quick", BEFORE):  # floor and simple baselines stand in every evaluation
                sources |= {
                    "floor": "floor (validation)",
                    "independent_nb": "independent NB",
                    "copied": "copied train cells",
                }
            for source, title in sources.items():
                if (title, result["replicate"]) in seen:  # those of a split are taken once
                    continue
                seen.add((title, result["replicate"]))
                scores = {m: report.score(source, m) for m in METRICS}
                figures = {m: s.mean for m, s in scores.items() if s is not None}
                worst = [s.mean for c in report.classes if (s := report.score(source, "c2st_pcs", c))]
                figures["worst_class"] = max(worst, default=float("nan"))
                if source == "model":
                    figures |= result["cost"]
                rows.setdefault(title, []).append(figures)
        out += [f"## {name} ({len({r['replicate'] for r in here})} splits)", ""]
        out += ["| | " + " | ".join(METRICS.values()) + " | worst type C2ST | training, CPU s | cells/s | parameters |"]
        out += ["|" + "---|" * (len(METRICS) + 5)]
        for title in sorted(rows, key=_place):
            cells = [_cell([f.get(m) for f in rows[title]], 1 if m in ("w2", "w2_debiased") else 2) for m in METRICS]
            cells += [_cell([f.get("worst_class") for f in rows[title]], 2)]
            cells += [
                _cell([f.get(k) for f in rows[title]], 0) for k in ("cpu_seconds", "cells_per_second", "n_parameters")
            ]
            out.append(f"| {title} ({len(rows[title])}) | " + " | ".join(cells) + " |")
        out.append("")
    return "\n".join(out)


def _place(title: str) -> int:
    baselines = ["floor (validation)", "copied train cells", "independent NB", "scvi", "prototype", BEFORE]
    return [*baselines, *PRESETS, "quick-mlp", "quick-gene"].index(title)


def _cell(values: list[float | None], digits: int) -> str:
    given = [v for v in values if v is not None and np.isfinite(v)]
    if not given:
        return "–"
    spread = f" ± {np.std(given, ddof=1):.{digits}f}" if len(given) > 1 else ""
    return f"{np.mean(given):,.{digits}f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", default=[], choices=list(DATASETS))
    parser.add_argument("--rows", nargs="*", default=["quick"], choices=ROWS)
    parser.add_argument("--replicates", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--results", type=Path, default=HERE / "results" / "generation")
    parser.add_argument("--workspace", type=Path, default=Path.home() / ".cache" / "genediff-benchmarks")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    for replicate in args.replicates:
        for name in args.data:
            for row in args.rows:
                run_one(name, row, replicate, args)
    table = tables(args.results)
    print(table)
    if args.table:
        (HERE / "generation.md").write_text(HEAD + table)


if __name__ == "__main__":
    main()
