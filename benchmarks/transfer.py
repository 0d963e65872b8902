"""What is lost when a pathway model reads other cells than its own: the shipped blood model on four other data sets.

    python -m benchmarks.transfer                # all, also into transfer.md
    python -m benchmarks.transfer --steps 425    # of the autoencoder of the two models that are trained for comparison

Kang's blood cells, beside a model trained on them (same configuration, same autoencoder steps, the genes that both
share; its flow is not asked and not trained) and beside a control whose sets are shuffled. The same cells under the
names of mouse genes, through the shipped table of orthologs and back: what that loses is what the table cannot link. A
mouse brain of 1,000 genes, which shares too few of them. All figures are of test cells, of which half the counts are
read and the other half judged; intervals are over cells, one seed of training.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.data import ImportConfig, import_cells
from genediff.data.cells.renamed import RenamedDataset
from genediff.data.cells.view import GeneView
from genediff.inspection.transfer import Transfer, aligned_cells, transfer
from genediff.inspection.transfer.transferred_names import OUTCOMES
from genediff.knowledge.orthologs import shipped_orthologs
from genediff.models.load_model import load_model
from genediff.models.model_info import read_spec
from genediff.training.train import Training
from genediff.workspace import DEMO_DATASET, Workspace

if TYPE_CHECKING:
    from genediff.models.generative_model import GenerativeModel

HERE = Path(__file__).resolve().parent
FILES = HERE.parents[1] / "shared" / "data" / "h5ad"
KANG = FILES / "kang_ifnb_counts_2000cells_harmony.h5ad"
BRAIN = FILES / "mouse_brain_10k_x1000_counts_scanpytests.h5ad"
BASE = "pbmc3k-pathway"


def trained(base: Path, dataset, label: str, steps: int, folder: Path, *, shuffled: bool = False) -> GenerativeModel:
    """Train the base's configuration on other cells, or on its own with shuffled sets."""
    run = read_spec(base).run
    model = run.model.model_copy(update={"conditions": (label,), "shuffled": shuffled})
    train = run.train.model_copy(update={"tokenizer_steps": steps, "steps": 1})
    config = run.model_copy(
        update={"name": folder.name, "dataset_id": dataset.info.id, "model": model, "train": train, "device": "cpu"}
    )
    training = Training(config, dataset, folder=folder, model_id=folder.name)
    for _ in training.run():
        pass
    return training.model.eval()


def section(title: str, found: Transfer) -> list[str]:
    """Return a heading, the verdict and the table of one transfer."""
    head, *rows = ["| " + " | ".join(line) + " |" for line in found.table()]
    lines = [f"## {title}", "", found.sentence, "", head, "|" + " --- |" * len(found.table()[0]), *rows, ""]
    if found.tokens is not None:
        count = found.tokens["outcome"].value_counts()
        lines += ["| tokens | |", "| --- | --- |"]
        lines += [f"| {int(count[key])} | {words} |" for key, words in OUTCOMES.items() if key in count]
        lines += ["", f"Median r with the independent score: {found.tokens['own'].median():.2f} on the own cells, "
                      f"{found.tokens['new'].median():.2f} on the others.", ""]  # fmt: skip
    return [*lines, found.matched, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=425)
    args = parser.parse_args()
    began = time.process_time()
    lines = ["# A pathway model on other cells", ""]
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        workspace = Workspace(root / "home")
        base = workspace.model_folder(BASE)
        model, own = load_model(base, device="cpu"), workspace.open_dataset(DEMO_DATASET)
        choices = ImportConfig(name="Kang", label="cell_type_pred", conditions=("condition",), umap=False)
        kang = import_cells(KANG, choices, workspace.datasets)

        shared = aligned_cells(model.genes, kang).shared
        native = trained(base, GeneView(kang, shared), "cell_type_pred", args.steps, root / "native")
        lines += section("Kang's blood cells, half of them stimulated", transfer(model, kang, own=own, native=native))
        print(*lines, sep="\n", flush=True)

        control = trained(base, own, "cell_type_derived", args.steps, root / "control", shuffled=True)
        control.spec = control.spec.model_copy(update={"title": "shuffled sets"})
        found = transfer(control, kang, own=own, native=native)
        lines += section("The control: the same, with genes dealt out to sets at random", found)

        table = shipped_orthologs()
        mouse = RenamedDataset(
            kang, table.names_for(kang.all_genes, [pair[1] for pair in table.pairs]), species="mouse"
        )
        found = transfer(model, mouse, own=own, orthologs=table)
        lines += section("The same cells under mouse names, and back through the table of orthologs", found)

        brain = import_cells(BRAIN, ImportConfig(name="Mouse brain", umap=False), workspace.datasets)
        lines += ["## Mouse brain, 1,000 genes", "", "Refused:", ""]
        for orthologs in (None, table):
            try:
                lines += section("Mouse brain", transfer(model, brain, own=own, orthologs=orthologs))
            except InputError as problem:
                lines += [f"- {'without a table' if orthologs is None else 'with the shipped table'}: {problem}"]
    lines += [
        "",
        f"{args.steps} autoencoder steps of the two trained models; {time.process_time() - began:.0f} s of CPU.",
    ]
    (HERE / "transfer.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
