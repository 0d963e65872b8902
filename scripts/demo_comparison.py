"""Rebuild the comparison that ships with GeneDiff: ``python -m scripts.demo_comparison --seeds 3``.

Every strategy and every shuffled control on the shipped cells, by real workers in a workspace of their own, so that a
second call goes on where the first one was stopped. Plan and table ship, and the first seed's models of as many
strategies as there is room for, the smallest first; controls stay at home.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.comparison.comparison_plan import with_baselines
from genediff.comparison.comparison_results import FILE as TABLE_FILE
from genediff.comparison.comparison_results import read_results
from genediff.comparison.comparison_store import FILE, Comparison, list_comparisons
from genediff.comparison.config import ComparisonConfig, Entry
from genediff.comparison.start_comparison import begin
from genediff.core.installation import ASSETS
from genediff.core.json_files import write_json
from genediff.models.config import ModelConfig
from genediff.models.model_info import ModelInfo
from genediff.tokenizers import TOKENIZERS
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace
from scripts.demo_models import ship as ship_model

if TYPE_CHECKING:
    from genediff.tokenizers import Tokenizer

TITLE = "Every strategy on 2,700 blood cells"
ROOM = 39_000_000
"""Bytes that all shipped files may take; the limit is 40 MB."""


def demo_config(
    *, minutes: float | None, steps: int | None, seeds: int, only: tuple[str, ...] = ()
) -> ComparisonConfig:
    """Return the comparison that ships: every strategy in count space, where one currency measures all; its control.

    The default strategy is there in its own space, too, with the flat vector beside it.
    """
    kinds = [TOKENIZERS[name] for name in only or TOKENIZERS]
    entries = [
        Entry(strategy=kind.name) for kind in kinds if kind.name == ModelConfig.model_fields["tokenizer"].default
    ]
    entries += [_counted(kind) for kind in kinds]
    entries += [_counted(kind, shuffled=True) for kind in kinds if kind.needs]
    return ComparisonConfig(
        name=TITLE,
        dataset_id=DEMO_DATASET,
        entries=with_baselines(entries, has_counts=True),
        seeds=tuple(range(seeds)),
        minutes=minutes,
        steps=steps,
    )


def _counted(kind: type[Tokenizer], *, shuffled: bool = False) -> Entry:
    own = kind.default_space(has_counts=True) == "counts"
    return Entry(strategy=kind.name, space=None if own else "counts", shuffled=shuffled)


def build(config: ComparisonConfig, workspace: Workspace, *, assets: Path = ASSETS, name: str = "") -> Path:
    """Run a comparison to its end, or go on with the one that is there, and return the folder that ships."""
    same = [one for one in list_comparisons(workspace) if not one.shipped and one.config == config]
    comparison = same[0] if same else begin(config, workspace, progress=lambda share, what: print(f"timing {what}"))
    series = comparison.series
    if series is not None and series.status.has_ended and series.status.state != "finished":
        comparison.resume()
    wait(comparison)
    return ship(comparison, workspace, assets / "comparisons" / (name or config.dataset_id))


def wait(comparison: Comparison) -> None:
    """Come back when the last training has ended; print where it stands."""
    said = ""
    while comparison.is_going_on:
        now = comparison.series.status.message if comparison.series else ""
        if now != said:
            print(now, flush=True)
            said = now
        time.sleep(2)


def ship(comparison: Comparison, workspace: Workspace, target: Path) -> Path:
    """Write plan and table of a comparison to where it ships."""
    read_results(comparison, workspace)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    content = json.loads((comparison.folder / FILE).read_text(encoding="utf-8"))
    write_json(target / FILE, {**content, "series": None})
    shutil.copy(comparison.folder / TABLE_FILE, target / TABLE_FILE)
    return target


def ship_models(comparison: Comparison, workspace: Workspace, assets: Path, *, room: int = ROOM) -> dict[str, str]:
    """Ship the first seed's models that there is room for; returns what each is called from now on, by its old id.

    The strategy of the shipped demo model is passed over, and the shipped table takes over the new names.
    """
    first, there = comparison.config.seeds[0], ModelInfo.read(assets / "models" / DEMO_MODEL).strategy
    models: dict[str, tuple[Path, Entry, str]] = {}
    for (place, seed), run_id in comparison.run_ids().items():
        row = comparison.rows[place]
        if seed == first and not row.entry.shuffled and row.entry.strategy != there:
            models[run_id] = (workspace.models / run_id, row.entry, row.title)
    for _, entry, _ in models.values():
        shutil.rmtree(assets / "models" / _shipped_id(comparison, entry), ignore_errors=True)
    names = {}
    for run_id, (folder, entry, title) in sorted(models.items(), key=lambda item: _bytes(item[1][0])):
        if _bytes(assets) + _bytes(folder) <= room:
            names[run_id] = _shipped_id(comparison, entry)
            minutes = comparison.config.minutes
            budget = f"{minutes:g} min" if minutes else comparison.config.preset
            said = f"{title} of {comparison.title.rsplit(' on ', 1)[-1]}, {budget}"
            ship_model(folder, assets / "models" / names[run_id], title=said)
    path = assets / "comparisons" / comparison.config.dataset_id / TABLE_FILE
    table = json.loads(path.read_text(encoding="utf-8"))
    for result in table["results"]:
        result["model_id"] = names.get(result["model_id"], result["model_id"])
    write_json(path, table)
    return names


def _shipped_id(comparison: Comparison, entry: Entry) -> str:
    return f"{comparison.config.dataset_id}-{entry.key.replace(':', '-').replace('_', '-')}"


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="of training for each model (default: as the preset says)")
    budget.add_argument("--steps", type=int, help="of both stages together for each model")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[], choices=list(TOKENIZERS))
    parser.add_argument("--workspace", type=Path, default=Path.home() / ".cache" / "genediff-demo-comparison")
    parser.add_argument("--assets", type=Path, default=ASSETS)
    args = parser.parse_args()
    config = demo_config(minutes=args.minutes, steps=args.steps, seeds=args.seeds, only=tuple(args.only))
    workspace = Workspace(args.workspace)
    shipped = build(config, workspace, assets=args.assets)
    comparison = next(one for one in list_comparisons(workspace) if not one.shipped and one.config == config)
    print(shipped, *ship_models(comparison, workspace, args.assets).values(), sep="\n")


if __name__ == "__main__":
    main()
