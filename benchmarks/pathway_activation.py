"""Do pathway tokens mean their names? Interferon-stimulated against control cells, which no token was told apart.

    python -m benchmarks.pathway_activation [--seeds 0]

Blood cells with and without interferon-beta (Kang et al. 2018, GSE96583), 2,000 genes; pathway tokens on Hallmark with
the quick preset, and the same on shuffled sets (same sizes and sets per gene). Each token's activation is tested
between stimulated and control cells of the test split, type by type, and held against the ssGSEA score of the same
set. The second stage of training (the flow) changes no activation and is cut short. Writes
``benchmarks/pathway_activation.md``.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd  # noqa: TC002 - dataclass
from scipy.stats import spearmanr

from benchmarks.generation import dataset_of
from genediff.inspection.groups.two_groups import compare_groups
from genediff.inspection.pathways.agreement import agreement
from genediff.inspection.pathways.set_scores import score_sets
from genediff.inspection.tokens.activations import activations
from genediff.models.load_model import load_model
from genediff.training.presets import preset_run
from genediff.training.train import Training
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from genediff.models.generative_model import GenerativeModel

PAGE = Path(__file__).with_suffix(".md")
ALPHA, GAMMA = "HALLMARK_INTERFERON_ALPHA_RESPONSE", "HALLMARK_INTERFERON_GAMMA_RESPONSE"
LABEL, CONDITION, STIMULATED = "cell_type_pred", "condition", "stim"
UNRELATED = 0.1  # share of the smaller set's genes; below, two sets have little to do with each other
HEAD = """# Interferon response in pathway tokens

Written by `python -m benchmarks.pathway_activation`. Kang et al. 2018 (GSE96583), 1,000 control and 1,000
interferon-beta-stimulated blood cells, 2,000 genes; pathway tokens on Hallmark, quick preset. All figures are of
held-out (test) cells. AUC: the chance that a stimulated cell of a type lies above a control cell of it, with its 95 %
interval; .5 is none. "Shuffled": the token of the same name in a model trained on shuffled sets. "Best unrelated":
the set furthest from .5 of those that share less than a tenth of their genes with both interferon sets; below .5 it
is lower in stimulated cells. Cells come from few donors, which this file does not name, so intervals speak of these
cells only.

"""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one model says: AUCs by type and source, and how it agrees with ssGSEA."""

    auc: dict[tuple[str, str], pd.DataFrame]  # (type, source) -> table by set
    cells: dict[str, tuple[int, int]]
    agreement: pd.DataFrame
    held_out_r: dict[str, float]
    unrelated: list[str]


def trained(dataset, seed: int, folder: Path, *, shuffled: bool) -> GenerativeModel:
    """Train pathway tokens, or load them when that was done before."""
    name = f"pathway-{'shuffled' if shuffled else 'hallmark'}-{seed}"
    if not (folder / name / "model").is_dir():
        run = preset_run(
            "quick", dataset.info, strategy="pathway", conditions=(LABEL, CONDITION), seed=seed, title=name
        )
        changes = {
            "model": run.model.model_copy(update={"shuffled": shuffled}),
            "train": run.train.model_copy(update={"steps": 100}),
        }
        for event in Training(run.model_copy(update=changes), dataset, folder=folder / name, model_id=name).run():
            if event.validation is not None:
                print(name, event.stage, event.step, round(event.validation, 2), flush=True)
    return load_model(folder / name / "model", device="cpu")


def measure(dataset, model: GenerativeModel, folder: Path) -> Outcome:
    """Test all tokens, and ssGSEA of the same sets, between stimulated and control test cells of each type."""
    sets = model.tokenizer.sets
    assert sets is not None
    names = list(sets.sets)
    found = activations(model, dataset, folder / "cache")
    values = np.asarray(found.values[: len(names)])
    scores = score_sets("ssgsea", dataset.x(), sets, dataset.genes)
    obs = dataset.obs
    test = (obs["split"] == "test").to_numpy()
    stimulated = (obs[CONDITION].astype(str) == STIMULATED).to_numpy()
    tables, cells = {}, {}
    for kind in sorted(obs[LABEL].astype(str).unique()):
        here = test & (obs[LABEL].astype(str) == kind).to_numpy()
        first, second = here & stimulated, here & ~stimulated
        cells[kind] = (int(first.sum()), int(second.sum()))
        for source, numbers in (("tokens", values), ("ssgsea", scores)):
            tables[kind, source] = compare_groups(numbers, first, second, names).table.set_index("token")
    told = agreement(values, dataset.x(), sets, dataset.genes, labels=dataset.codes(LABEL))
    held_out = {}
    for name in (ALPHA, GAMMA):
        i = names.index(name)
        held_out[name] = float(spearmanr(values[i, test], scores[i, test]).statistic)
    return Outcome(tables, cells, told.table.set_index("token"), held_out, _unrelated(sets.sets))


def _unrelated(sets) -> list[str]:
    own = [set(sets[name]) for name in (ALPHA, GAMMA)]
    return [
        name
        for name, genes in sets.items()
        if all(len(other & set(genes)) < UNRELATED * min(len(other), len(genes)) for other in own)
    ]


def table(true: Outcome, shuffled: Outcome) -> str:
    """Return the AUC table, type by type."""
    lines = [
        "| cells | stim / ctrl | IFN-α token | IFN-α ssGSEA | IFN-γ token | IFN-γ ssGSEA | shuffled IFN-α | "
        "shuffled IFN-γ | best unrelated token | best unrelated ssGSEA |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, (n_first, n_second) in true.cells.items():
        cells = [_auc(true.auc[kind, source].loc[name]) for name in (ALPHA, GAMMA) for source in ("tokens", "ssgsea")]
        cells += [_auc(shuffled.auc[kind, "tokens"].loc[name]) for name in (ALPHA, GAMMA)]
        for source in ("tokens", "ssgsea"):
            rest = true.auc[kind, source].loc[true.unrelated]
            best = rest.loc[(rest["auc"] - 0.5).abs().idxmax()]
            cells.append(f"{best.name.removeprefix('HALLMARK_').replace('_', ' ').lower()} {best['auc']:.2f}")
        lines.append(f"| {kind} | {n_first} / {n_second} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def words(true: Outcome, shuffled: Outcome) -> str:
    """Return what the tokens' names are worth, in sentences."""
    counts = true.agreement["verdict"].value_counts()
    control = shuffled.agreement["verdict"].value_counts()
    said = ", ".join(f"{counts.get(v, 0)} {v}" for v in ("agrees", "shared", "drifted", "silent"))
    other = ", ".join(f"{control.get(v, 0)} {v}" for v in ("agrees", "shared", "drifted", "silent"))
    lowest = true.agreement.sort_values("r").head(3)
    named = ", ".join(f"{name.removeprefix('HALLMARK_')} ({row['r']:.2f})" for name, row in lowest.iterrows())
    r, chance = true.agreement["r"].mean(), true.agreement["chance"].mean()
    return (
        f"Against ssGSEA of the same set (Spearman's r over test cells): IFN-α {true.held_out_r[ALPHA]:.2f}, IFN-γ "
        f"{true.held_out_r[GAMMA]:.2f}. Over all cells, of {len(true.agreement)} tokens: {said} (of the shuffled "
        f"model's, each against its own shuffled set: {other}). The mean r is {r:.2f}; sets of as many random genes "
        f"reach {chance:.2f} (95 % point). Lowest: {named}: these names should not be read.\n"
    )


def _auc(row: pd.Series) -> str:
    return f"{row['auc']:.2f} ({row['auc_low']:.2f}–{row['auc_high']:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0], help="of split and training")
    parser.add_argument("--workspace", type=Path, default=Path("benchmarks/results/pathway_activation"))
    args = parser.parse_args()
    page = HEAD
    for seed in args.seeds:
        dataset = dataset_of("kang", seed, Workspace(args.workspace))
        folder = args.workspace / "training"
        true, shuffled = (
            measure(dataset, trained(dataset, seed, folder, shuffled=one), args.workspace) for one in (False, True)
        )
        title = f"## Split and seed {seed}\n\n" if len(args.seeds) > 1 else ""
        page += title + table(true, shuffled) + "\n" + words(true, shuffled)
    print(page)
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
