"""Rebuild the simulated screen that ships with GeneDiff: ``python -m scripts.demo_screen``.

Knock-outs, alone and in pairs, in cells drawn from a known network. Two groups of four regulators act together, so that
their pairs do more (or less) than the sum. Some pairs of either kind are not measured: what a model says of them can be
held against the truth, which the data set keeps.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.data.importing.config import ImportConfig
from genediff.data.importing.importer import import_cells
from genediff.data.simulation.simulate import Noise, simulate
from genediff.data.simulation.truth import CONTROL, Perturbation, Truth
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.workspace import DEMO_SCREEN, Workspace

WORLD = TruthConfig(
    n_genes=300, n_regulators=24, n_types=2, n_pathways=6, n_gated_pairs=2, gated_group=4, targets_per_pair=15,
    gate_weight=1.5,
)  # fmt: skip
SEED, N_CELLS, N_SINGLES = 1, 3000, 16
N_OTHER_PAIRS, N_UNMEASURED = 22, 8
"""Pairs that were not planted, and how many of all pairs are left unmeasured (as many planted ones as others)."""
CONFIG = ImportConfig(
    name="Simulated knock-out screen",
    label="cell_type",
    perturbation="perturbation",
    control=CONTROL,
    n_genes=300,
    n_pcs=20,
)


def screen_plan(truth: Truth, *, seed: int = SEED) -> tuple[tuple[Perturbation, ...], tuple[Perturbation, ...]]:
    """Return the perturbations that are measured, and the pairs that are not."""
    draw = np.random.default_rng([seed, 6])
    planted = [
        tuple(sorted(pair)) for pair in dict.fromkeys(zip(truth.gates["first"], truth.gates["second"], strict=True))
    ]
    singles = list(dict.fromkeys(gene for pair in planted for gene in pair))
    rest = [gene for gene in truth.regulators if gene not in singles]
    draw.shuffle(rest)
    singles += rest[: N_SINGLES - len(singles)]
    others = [tuple(sorted(pair)) for pair in combinations(singles, 2) if tuple(sorted(pair)) not in planted]
    draw.shuffle(others)
    others = [(str(first), str(second)) for first, second in others[:N_OTHER_PAIRS]]
    half = N_UNMEASURED // 2
    # Of either group of regulators as many, so that both can be learned.
    aside = [planted[place] for place in (0, len(planted) // 2 - 1, len(planted) // 2, len(planted) - 1)] + others[
        :half
    ]
    measured = [pair for pair in [*planted, *others] if pair not in aside]
    alone = tuple(Perturbation((gene,)) for gene in sorted(singles))
    return (*alone, *map(Perturbation, measured)), tuple(map(Perturbation, aside))


def build_screen(*, assets: Path = ASSETS) -> Path:
    """Draw and import the screen as the shipped data set, and return its folder."""
    target = assets / "datasets" / DEMO_SCREEN
    truth = draw_truth(WORLD, seed=SEED)
    measured, _ = screen_plan(truth)
    cells = simulate(truth, n_cells=N_CELLS, perturbations=measured, noise=Noise(depth=1000), seed=SEED)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "simulated_screen.h5ad"
        cells.write_h5ad(path)
        dataset = import_cells(path, CONFIG, Workspace(Path(scratch) / "home").datasets)
        replace(dataset.info, id=DEMO_SCREEN).write()
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(dataset.info.folder, target)
    return target


if __name__ == "__main__":
    try:
        print(build_screen(assets=Path(sys.argv[1]) if len(sys.argv) > 1 else ASSETS))
    except InputError as problem:
        raise SystemExit(str(problem)) from None
