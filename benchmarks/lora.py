"""Is adapting worth it? The shipped blood model on Kang's stimulated blood cells, against training from scratch.

    python -m benchmarks.lora                          # 300 and 1000 flow steps, also into lora.md
    python -m benchmarks.lora --steps 300 --rank 4 --rank 16

Both trainings see the same cells, batch and number of steps (a third as many in the autoencoder); rates are those of
each. All rows are judged by the same held-out cells in the genes that both share, with labels of the new data.
Steps are shared by wall time with whatever else the machine does, so compare figures and not seconds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from typing import TYPE_CHECKING

from genediff.data import ImportConfig, import_cells
from genediff.evaluation import HEADLINE
from genediff.models.load_model import load_model
from genediff.runs.kinds.evaluate_generated import asked_for, evaluate_generator
from genediff.training.adapt import AdaptConfig
from genediff.training.adapt.adaptation import Adaptation
from genediff.training.adapt.gain import HELD_OUT, figures_of, title
from genediff.training.adapt.scratch import in_words_of, scratch_training
from genediff.workspace import DEMO_MODEL, Workspace

if TYPE_CHECKING:
    from genediff.models.generative_model import GenerativeModel

HERE = Path(__file__).resolve().parent
KANG = HERE.parents[1] / "shared" / "data" / "h5ad" / "kang_ifnb_counts_2000cells_harmony.h5ad"
CONDITIONS = {"cell_type_pred": "cell_type_derived", "condition": None}


def judged(model: GenerativeModel, view, seeds: tuple[int, ...]):
    """Return the headline figures of a model, and those of two real samples."""
    found = evaluate_generator(
        model,
        view,
        asked_for(view, tuple(CONDITIONS)),
        progress=lambda share, what: None,
        cancelled=lambda: False,
        seeds=seeds,
        baselines=(),
        strict=False,
    )
    return figures_of(found), figures_of(found, "floor")


def line(steps: str, name: str, trained: str, seconds: str, figures: dict[str, tuple[float, float]]) -> str:
    cells = [f"{figures[m][0]:.4f}" if m in figures else "–" for m in (HELD_OUT, *HEADLINE)]
    return "| " + " | ".join([steps, name, trained, seconds, *cells]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, action="append", default=None)
    parser.add_argument("--rank", type=int, action="append", default=None)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=AdaptConfig.model_fields["learning_rate"].default)
    args = parser.parse_args()
    seeds = tuple(range(args.seeds))
    head = ["steps", "model", "trained numbers", "s", *(title(m) for m in (HELD_OUT, *HEADLINE))]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        workspace = Workspace(root / "home")
        choices = ImportConfig(name="kang", label="cell_type_pred", conditions=("condition",), umap=False)
        dataset = import_cells(KANG, choices, workspace.datasets)
        base_folder = workspace.model_folder(DEMO_MODEL)
        base = load_model(base_folder, device="cpu")
        in_words_of(base, CONDITIONS)
        told_of_base = False
        for steps in args.steps or [300, 1000]:
            for rank in args.rank or [8]:
                config = AdaptConfig(
                    base_id=DEMO_MODEL,
                    dataset_id=dataset.info.id,
                    conditions=CONDITIONS,
                    rank=rank,
                    alpha=2 * rank,
                    steps=steps,
                    tokenizer_steps=steps // 3,
                    learning_rate=args.learning_rate,
                    device="cpu",
                )
                folder = workspace.models / f"adapted-{steps}-{rank}"
                adaptation = Adaptation(config, base_folder, dataset, folder=root / "work", model_id=folder.name)
                view, n = adaptation.view, len(adaptation.view.genes)
                for _ in adaptation.run():
                    pass
                (root / "work" / "model").rename(folder)
                before, after = adaptation.held_out["autoencoder"]
                if not told_of_base:
                    figures, floor = judged(base, view, seeds)
                    lines += [line("0", "two real samples", "", "", floor)]
                    lines += [line("0", "base, not adapted", "0", "", figures | {HELD_OUT: (before / n, 0)})]
                    told_of_base = True
                figures, _ = judged(load_model(folder, device="cpu"), view, seeds)
                name, trained = f"adapted, rank {rank}", f"{adaptation.n_trained:,}"
                figures[HELD_OUT] = (after / n, 0)
                lines += [line(str(steps), name, trained, f"{adaptation.seconds:.0f}", figures)]
                print(*lines, sep="\n", flush=True)
            began, losses = time.monotonic(), {}
            training = scratch_training(config, base_folder, view, folder=root / f"scratch{steps}", model_id="scratch")
            for event in training.run():
                losses |= {event.stage: event.validation} if event.validation is not None else {}
            seconds = f"{time.monotonic() - began:.0f}"
            figures, _ = judged(training.model, view, seeds)
            figures[HELD_OUT] = (losses["autoencoder"] / n, 0)
            lines += [line(str(steps), "from scratch", f"{training.model.n_parameters:,}", seconds, figures)]
            (HERE / "lora.md").write_text("\n".join(lines) + "\n")
            print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    main()
