"""The rows that every model stands beside: two real samples, simple baselines, copies; on the demo cells.

Run from the repository's root: ``python -m benchmarks.evaluation_reference [h5ad] [--vae]``. With the path of
``pbmc3k_raw_counts.h5ad`` the same is done at a target sum of 10,000 counts per cell, the scale of published tables.
Writes ``benchmarks/evaluation_reference.md``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.vae import VAEBaseline
from genediff.data import Dataset, ImportConfig, import_cells
from genediff.evaluation import METRICS, Evaluation, IndependentGenes, evaluate
from genediff.workspace import Workspace

PAGE = Path(__file__).with_suffix(".md")
ROWS = {
    "floor": "floor (validation against test)",
    "independent_nb": "independent NB, maximum likelihood",
    "model": "independent NB, moments",
    "vae": "VAE (scVI-like), prior",
    "copied": "copied training cells",
}
PUBLISHED = """\
| as measured before this project | W2² debiased | C2ST PCs | C2ST genes | 1-NN | precision / recall | Fréchet |
|---|---|---|---|---|---|---|
| floor (validation) | 0.7 | .49 | .48 | .48 | .90 / .87 | 6.3 |
| independent NB per class | 14.4 | .83 | .89 | .71 | .90 / .60 | 21.5 |
| scVI 1.4.2, prior | 17.0 | .84 | .96 | .66 | .51 / .92 | 22.3 |
| copies of training cells | | .83 | | | precision .28 | |
"""


def judge(dataset: Dataset, cache: Path) -> tuple[Evaluation, float, float]:
    """Return the evaluation of cells drawn by moments, and the CPU seconds it took without and with the cache."""
    label = dataset.info.label
    assert label is not None
    codes, names = dataset.codes(label, "test"), dataset.vocabulary(label)
    asked = pd.DataFrame({label: [names[code] for code in codes if code >= 0]})
    cells = IndependentGenes("moments").fit(dataset, label=label).generate(asked, seed=7)
    started = time.process_time()
    evaluate(cells, dataset, cache=cache)
    cold = time.process_time() - started
    started = time.process_time()
    evaluation = evaluate(cells, dataset, cache=cache)
    warm = time.process_time() - started
    if "--vae" in sys.argv:
        vae = VAEBaseline().fit(dataset, label=label).generate(asked, seed=7)
        beside = evaluate(vae, dataset, cache=cache, baselines=())
        rows = [replace(score, row="vae") for score in beside.scores if score.row == "model"]
        evaluation = replace(evaluation, scores=(*evaluation.scores, *rows))
    return evaluation, cold, warm


def markdown(evaluation: Evaluation) -> str:
    metrics = [metric for metric in METRICS.values() if evaluation.score("floor", metric.name)]
    rows = [row for row in ROWS if row in evaluation.rows]
    lines = ["| | " + " | ".join(ROWS[row] for row in rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for metric in metrics:
        figures = []
        for row in rows:
            score = evaluation.score(row, metric.name)
            digits = metric.digits
            figures.append("-" if score is None else f"{score.mean:.{digits}f} ± {score.sd or 0:.{digits}f}")
        lines.append(f"| {metric.title} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def main() -> None:
    parts = ["# What generated cells are compared with", (__doc__ or "").split("\n\n")[0], PUBLISHED.strip()]
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(Path(scratch))
        datasets = [workspace.open_dataset("pbmc3k")]
        files = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
        if files:
            config = ImportConfig(
                name="at 10,000 counts per cell",
                label="cell_type_derived",
                exclude_levels={"cell_type_derived": ("filtered", "(missing)")},
                target_sum=1e4,
                umap=False,
            )
            datasets.append(import_cells(Path(files[0]), config, workspace.datasets))
        for dataset in datasets:
            evaluation, cold, warm = judge(dataset, Path(scratch) / "cache")
            print(evaluation.to_text())
            title = f"## {dataset.info.name} (target sum {dataset.info.target_sum:.0f}, {evaluation.n_cells} a side)"
            times = f"Three seeds, without the VAE: {cold:.0f} CPU s; from the cache: {warm:.0f} CPU s."
            parts += [title, markdown(evaluation), times]
    notes = PAGE.with_name("evaluation_reference_notes.md")
    if notes.exists():
        parts.append(notes.read_text(encoding="utf-8").strip())
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
