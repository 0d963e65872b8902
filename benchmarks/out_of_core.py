"""Data larger than memory: import, memory against cells, training from disk: ``python -m benchmarks.out_of_core``.

Each measurement is a process of its own and is kept as a file in ``benchmarks/results/out_of_core``: a run that was
stopped goes on where it was, ``--parts`` names some, ``--again`` measures them anew. All that is kept is written as
tables to ``benchmarks/out_of_core.md``. Parts:

- ``import``: 100,000 x 20,000, as it is and compressed as files usually are, against a plain read of the same file;
- ``scale``: peak memory and time of an import of 100,000, 300,000 and 1,000,000 cells x 2,000 genes;
- ``training``: cells a second and memory of the same model on cells in memory and on disk, in both orders;
- ``loader``: cells a second of batches alone; with ``--scdataset FOLDER`` also of scDataset on the same store;
- ``shuffle``: held-out loss on a file sorted by cell type, by full and by block shuffling, with three seeds.

Files and data sets of up to 1 GB are written to ``--scratch`` and removed; files stay where ``--files`` says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.import_memory import write_cells

HERE = Path(__file__).resolve()
RESULTS, TABLE = HERE.parent / "results" / "out_of_core", HERE.with_suffix(".md")
PARTS = ("import", "scale", "training", "loader", "shuffle")
SCALE = (100_000, 300_000, 1_000_000)
SEEDS = (0, 1, 2)
BLOCK = 1 << 22


# ------------------------------------------------------------------------------------- measured in their own process


def plain_read(path: str) -> dict[str, Any]:
    """Read data, indices and indptr once, block by block, twice over; the second time is kept."""
    for _ in range(2):
        wall, cpu = time.perf_counter(), time.process_time()
        with h5py.File(path) as file:
            file["X/indptr"][:]
            for name in ("X/data", "X/indices"):
                array = file[name]
                for start in range(0, array.shape[0], BLOCK):
                    array[start : start + BLOCK]
        taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return taken


def anndata_read(path: str) -> dict[str, Any]:
    """Read the file into memory as anndata does."""
    import anndata

    anndata.read_h5ad(path)
    wall, cpu = time.perf_counter(), time.process_time()
    anndata.read_h5ad(path)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def import_file(path: str, home: str, umap: bool) -> dict[str, Any]:
    """Import a file; time of each stage, and the peak. Loading libraries is in neither this nor a plain read."""
    import anndata  # noqa: F401
    import pandas as pd  # noqa: F401
    import scipy.linalg  # noqa: F401

    from genediff.data import ImportConfig, import_cells
    from genediff.training.release_memory import peak_memory
    from genediff.workspace import Workspace

    stages: dict[str, list[float]] = {}
    now: list[Any] = [time.perf_counter(), time.process_time(), ""]

    def progress(_: float, message: str) -> None:
        if message != now[2]:
            if now[2]:
                stages[now[2]] = [time.perf_counter() - now[0], time.process_time() - now[1]]
            now[:] = [time.perf_counter(), time.process_time(), message]

    wall, cpu = time.perf_counter(), time.process_time()
    usable: dict[str, float] = {}

    def ready(_: Any) -> None:
        usable.update(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)

    config = ImportConfig(label="cell_type", umap=umap)
    dataset = import_cells(path, config, Workspace(Path(home)).datasets, progress=progress, ready=ready)
    progress(1, "end")
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak": peak_memory(),
            "usable": usable, "stages": stages, "stored": sum(f.stat().st_size for f in dataset.info.folder.iterdir()),
            "folder": str(dataset.info.folder)}  # fmt: skip


def train(folder: str, cells: str, steps: int, batch: int) -> dict[str, Any]:
    """Train both stages of the quick preset; cells a second of each stage after its first 20 steps.

    Cells are shown whole (no dropout, no thinning): then each is encoded once before the flow stage, which takes a
    minute of a million cells and not several, and steps are shorter, so that reading weighs more.
    """
    from genediff.data import Dataset
    from genediff.models.config import RunConfig
    from genediff.training.presets import preset_run
    from genediff.training.release_memory import peak_memory
    from genediff.training.train import Training

    dataset = Dataset.open(Path(folder))
    config = preset_run("quick", dataset.info)
    train = config.train.model_copy(
        update={"cells": cells, "steps": steps, "tokenizer_steps": steps, "batch_size": batch,
                "tokenizer_batch_size": batch, "validate_every": 100_000, "checkpoint_seconds": 3600,
                "input_dropout": 0.0, "thinning": 0.0})  # fmt: skip
    config = RunConfig.model_validate(config.model_dump() | {"train": train.model_dump(), "device": "cpu"})
    with tempfile.TemporaryDirectory() as run:
        begun = time.perf_counter()
        training = Training(config, dataset, folder=Path(run), model_id="m")
        opened = time.perf_counter() - begun
        marks: dict[str, list[tuple[float, float, int]]] = {}
        for event in training.run():
            if event.loss is not None and event.validation is None and event.step >= 20:
                marks.setdefault(event.stage, []).append((time.perf_counter(), time.process_time(), event.step))
    result: dict[str, Any] = {"opened": opened, "peak": peak_memory()}
    for stage, seen in marks.items():
        n = (seen[-1][2] - seen[0][2]) * batch
        result[stage] = {"wall": n / (seen[-1][0] - seen[0][0]), "cpu": n / (seen[-1][1] - seen[0][1])}
    return result


def load(folder: str, cells: str, block: int, scdataset: str) -> dict[str, Any]:
    """Make dense batches of 256 and do nothing with them."""
    import torch

    from genediff.data import Dataset
    from genediff.training import blocks
    from genediff.training.batches import dense
    from genediff.training.release_memory import peak_memory
    from genediff.training.training_cells import TrainingCells

    torch.set_num_threads(1)
    dataset = Dataset.open(Path(folder))
    training = TrainingCells.of(dataset, (), where=cells)  # type: ignore[arg-type]
    n_steps, batch = 1536, 256  # two dozen windows: the one read ahead at the end weighs little
    if scdataset:
        sys.path.insert(0, scdataset)
        from scdataset import BlockShuffling, scDataset

        order = BlockShuffling(blocks.BLOCK, np.arange(training.n_train))
        window = blocks.WINDOW * blocks.BLOCK // batch
        loader = iter(scDataset(training.train, order, batch_size=batch, fetch_factor=window, seed=0))
        take = lambda _: torch.from_numpy(next(loader).toarray())  # noqa: E731
    else:
        shuffle: Any = training.shuffle(batch, seed=0, feed=training.feed)
        if cells == "disk":
            window = blocks.WINDOW * blocks.BLOCK // block
            shuffle = blocks.BlockShuffle(training.n_train, batch, seed=0, block=block, window=window,
                                          feed=training.feed)  # fmt: skip
        take = lambda step: dense(training.train, shuffle.rows(step))  # noqa: E731
    take(0)
    wall, cpu = time.perf_counter(), time.process_time()
    for step in range(1, n_steps):
        take(step)
    n = (n_steps - 1) * batch
    return {"wall": n / (time.perf_counter() - wall), "cpu": n / (time.process_time() - cpu), "peak": peak_memory()}


def shuffled(folder: str, how: str, steps: int, run_seed: int) -> dict[str, Any]:
    """Train on a sorted file in one order or another; held-out loss of both stages along the way."""
    from genediff.data import Dataset
    from genediff.models.config import RunConfig
    from genediff.training.batches import Shuffle
    from genediff.training.blocks import BlockShuffle
    from genediff.training.presets import preset_run
    from genediff.training.train import Training
    from genediff.training.training_cells import TrainingCells

    def order(self: TrainingCells, batch_size: int, *, seed: int, feed: Any = None) -> Any:
        if how == "full":
            return Shuffle(self.n_train, batch_size, seed=seed)
        window = 256 if how == "blocks" else 4
        return BlockShuffle(self.n_train, batch_size, seed=seed, window=window)

    TrainingCells.shuffle = order  # type: ignore[method-assign, assignment]
    dataset = Dataset.open(Path(folder))
    config = preset_run("quick", dataset.info)
    train = config.train.model_copy(update={"cells": "memory", "steps": steps, "tokenizer_steps": steps,
                                            "validate_every": steps // 4, "patience": 0})  # fmt: skip
    config = RunConfig.model_validate(
        config.model_dump() | {"train": train.model_dump(), "device": "cpu", "seed": run_seed}
    )
    curves: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as run:
        for event in Training(config, dataset, folder=Path(run), model_id="m").run():
            if event.validation is not None:
                curves.setdefault(event.stage, []).append(event.validation)
    return curves


MEASURES = {f.__name__: f for f in (plain_read, anndata_read, import_file, train, load, shuffled)}


# ----------------------------------------------------------------------------------------------------------- parts


def measured(name: str, what: str, *arguments: Any) -> dict[str, Any]:
    """Measure in a process of its own, unless that is kept from before under this name."""
    kept = RESULTS / f"{name}.json"
    if kept.exists():
        return json.loads(kept.read_text())["result"]
    command = [sys.executable, "-m", "benchmarks.out_of_core", "--measure", what, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    print(name, {k: v for k, v in result.items() if k != "stages"}, file=sys.stderr, flush=True)
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"result": result, "machine": machine}, indent=1))
    return result


def compressed(source: Path, target: Path) -> None:
    """Write the same file as anndata does with ``compression="gzip"``."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        for name in old:
            if name != "X":
                old.copy(name, new)
        group = new.create_group("X")
        group.attrs.update(dict(old["X"].attrs))
        group["indptr"] = old["X/indptr"][:]
        for name in ("data", "indices"):
            array = old["X"][name]
            copy = group.create_dataset(name, array.shape, array.dtype, chunks=(1 << 18,), compression="gzip")
            for start in range(0, array.shape[0], BLOCK):
                copy[start : start + BLOCK] = array[start : start + BLOCK]


def part_import(scratch: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    files = chosen.files or scratch
    paths = {"as it is": written(files, 100_000, 20_000), "gzip": files / "compressed.h5ad"}
    if not paths["gzip"].exists():
        compressed(paths["as it is"], paths["gzip"])
    out = {}
    for name, path in paths.items():
        out[name] = {
            "bytes": path.stat().st_size,
            "plain": measured(f"import {name} plain", "plain_read", str(path)),
            "anndata": measured(f"import {name} anndata", "anndata_read", str(path)),
            "import": measured(f"import {name}", "import_file", str(path), str(scratch / f"{name} home"), False),
        }
    path = paths["gzip"]
    out["gzip"]["with UMAP"] = measured("import gzip umap", "import_file", str(path), str(scratch / "home umap"), True)
    return out


def part_scale(scratch: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    out = {}
    for n in SCALE:
        path = written(chosen.files or scratch, n, 2_000)
        umap, home = n == SCALE[-1], str(scratch / "scale")
        out[str(n)] = {"bytes": path.stat().st_size, "plain": measured(f"scale {n} plain", "plain_read", str(path)),
                       "import": measured(f"scale {n}", "import_file", str(path), home, False)}  # fmt: skip
        if umap:
            out[str(n)]["with UMAP"] = measured(
                f"scale {n} umap", "import_file", str(path), str(scratch / "scale umap"), True
            )
    return out


def written(files: Path, n_cells: int, n_genes: int) -> Path:
    """Return a file of so many cells and genes, written if it is not there."""
    path = files / f"{n_cells}x{n_genes}.h5ad"
    if not path.exists():
        write_cells(path, n_cells, n_genes, 0.05)
    return path


def large(scratch: Path, chosen: argparse.Namespace) -> str:
    """Return the folder of a data set of a million cells."""
    path = written(chosen.files or scratch, SCALE[-1], 2_000)
    return str(import_file(str(path), str(scratch / "large"), False)["folder"])


def part_training(scratch: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    order = ["memory", "disk", "disk", "memory"]
    names = [f"training {number} {cells}" for number, cells in enumerate(order)]
    folder = _large_unless_kept(scratch, chosen, names)
    runs = [measured(name, "train", folder, cells, 300, 128) for name, cells in zip(names, order, strict=True)]
    return {"order": order, "runs": runs}


def part_loader(scratch: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    rows: dict[str, tuple[str, int, str]] = {"memory": ("memory", 0, "")}
    rows |= {f"disk, blocks of {block}": ("disk", block, "") for block in (16, 64, 256)}
    if chosen.scdataset or (RESULTS / "loader scDataset.json").exists():
        rows["scDataset"] = ("disk", 64, chosen.scdataset)
    folder = _large_unless_kept(scratch, chosen, [f"loader {name}" for name in rows])
    return {name: measured(f"loader {name}", "load", folder, *row) for name, row in rows.items()}


def _large_unless_kept(scratch: Path, chosen: argparse.Namespace, names: list[str]) -> str:
    """Return the folder of a data set of a million cells, where anything is to be measured on it."""
    if all((RESULTS / f"{name}.json").exists() for name in names):
        return ""
    return chosen.folder or large(scratch, chosen)


def part_shuffle(scratch: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    names = {(how, seed): f"shuffle {how} {seed}" for how in ("full", "blocks", "few blocks") for seed in SEEDS}
    folder = ""
    if not all((RESULTS / f"{name}.json").exists() for name in names.values()):
        path = scratch / "sorted.h5ad"
        write_sorted(path)
        folder = import_file(str(path), str(scratch / "sorted"), False)["folder"]
    return {f"{how}, seed {seed}": measured(name, "shuffled", folder, how, 600, seed)
            for (how, seed), name in names.items()}  # fmt: skip


def write_sorted(path: Path, n_cells: int = 50_000, n_genes: int = 300, n_types: int = 10) -> None:
    """Cells of ten types with profiles of their own, one type after the other."""
    import anndata as ad
    import pandas as pd
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    profile = rng.gamma(0.5, 1.0, n_genes) * rng.lognormal(0, 1.0, (n_types, n_genes))
    profile /= profile.sum(1, keepdims=True)
    kinds = np.sort(rng.choice(n_types, n_cells, p=np.linspace(1, 3, n_types) / np.linspace(1, 3, n_types).sum()))
    counts = rng.poisson(profile[kinds] * rng.lognormal(6, 0.3, (n_cells, 1)))
    labels = pd.Categorical([f"type {k}" for k in kinds])
    obs = pd.DataFrame({"cell_type": labels}, index=[f"c{i}" for i in range(n_cells)])
    var = pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)])
    ad.AnnData(sp.csr_matrix(counts.astype(np.float32)), obs=obs, var=var).write_h5ad(path)


# ----------------------------------------------------------------------------------------------------------- table


def table(kept: dict[str, Any]) -> str:
    lines = ["# Data larger than memory", ""]
    lines += ["By `python -m benchmarks.out_of_core`; every row in a process of its own."]
    lines += ["CPU seconds and cells per CPU second are less disturbed by other programs than wall times.", ""]
    for part in PARTS:
        if part in kept:
            found = kept[part]
            lines += [*WRITERS[part](found["result"]), "", f"*{found['when']}, {found['machine']}*", ""]
    return "\n".join(lines)


def _import_table(found: dict[str, Any]) -> list[str]:
    lines = ["## Import of 100,000 x 20,000, 5 % stored", "",
             "Times are s of CPU (wall). The ratio is import to plain read (h5py, by blocks, from the page cache).",
             "",
             "| file | size | plain read | anndata.read_h5ad | until usable | ratio CPU (wall) | to the end | memory |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    rows = [(name, "import") for name in found] + [("gzip", "with UMAP")]
    for name, key in rows:
        row = found[name]
        run, plain = row[key], row["plain"]
        lines.append(
            f"| {name}{', with UMAP' * (key == 'with UMAP')} | {row['bytes'] / 1e6:,.0f} MB | {_time(plain)} "
            f"| {_time(row['anndata'])} | {_time(run['usable'])} | {run['usable']['cpu'] / plain['cpu']:.1f} "
            f"({run['usable']['wall'] / plain['wall']:.1f}) | {_time(run)} | **{run['peak'] / 1e9:.2f} GB** |"
        )
    titles = [f"{name}{', with UMAP' * (key == 'with UMAP')}" for name, key in rows]
    lines += ["", f"| stage | {' | '.join(titles)} |", "| --- |" + " --- |" * len(rows)]
    for stage in found["gzip"]["with UMAP"]["stages"]:
        cells = [found[name][key]["stages"].get(stage) for name, key in rows]
        texts = ["" if c is None else f"{c[1]:.1f} ({c[0]:.1f})" for c in cells]
        lines.append(f"| {stage} | {' | '.join(texts)} |")
    return lines


def _scale_table(found: dict[str, Any]) -> list[str]:
    lines = ["## Memory against cells: import of n x 2,000, 5 % stored", "",
             "| cells | file | plain read, s | until usable, s of CPU (wall) | to the end | peak memory | on disk |",
             "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for n, row in found.items():
        for key in ("import", "with UMAP"):
            if key in row:
                run = row[key]
                lines.append(f"| {int(n):,}{', with UMAP' * (key == 'with UMAP')} | {row['bytes'] / 1e6:,.0f} MB "
                             f"| {_time(row['plain'])} | {_time(run['usable'])} | {_time(run)} "
                             f"| **{run['peak'] / 1e9:.2f} GB** "
                             f"| {run['stored'] / 1e6:,.0f} MB |")  # fmt: skip
    return lines


def _training_table(found: dict[str, Any]) -> list[str]:
    lines = ["## Training, 1,000,000 x 2,000 (600,000 training cells), quick preset, batches of 128", "",
             "Cells per second of wall time (of CPU time); cells shown whole, each encoded once before the flow stage.",
             "",
             "| cells in | autoencoder | flow | until training begins | peak memory |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for where, run in zip(found["order"], found["runs"], strict=True):
        lines.append(f"| {where} | {_rate(run['autoencoder'])} | {_rate(run['flow'])} | {run['opened']:.1f} s "
                     f"| {run['peak'] / 1e9:.2f} GB |")  # fmt: skip
    for stage in ("autoencoder", "flow"):
        rates = {where: [run[stage] for w, run in zip(found["order"], found["runs"], strict=True) if w == where]
                 for where in ("memory", "disk")}  # fmt: skip
        share = {kind: np.mean([r[kind] for r in rates["disk"]]) / np.mean([r[kind] for r in rates["memory"]])
                 for kind in ("wall", "cpu")}  # fmt: skip
        lines.append("" if stage == "autoencoder" else "")
        lines.append(f"{stage.capitalize()}: from disk at **{share['wall']:.0%}** of the speed in memory by wall time, "
                     f"{share['cpu']:.0%} by CPU time.")  # fmt: skip
    return lines


def _loader_table(found: dict[str, Any]) -> list[str]:
    lines = ["## Batches alone: 256 x 2,000, made dense, one thread", "",
             "| from | cells/s | cells per CPU s | peak memory |", "| --- | --- | --- | --- |"]  # fmt: skip
    lines += [f"| {name} | {run['wall']:,.0f} | {run['cpu']:,.0f} | {run['peak'] / 1e9:.2f} GB |"
              for name, run in found.items()]  # fmt: skip
    return lines


def _shuffle_table(found: dict[str, Any]) -> list[str]:
    lines = ["## A file sorted by cell type: 50,000 x 300, ten types, 600 steps of each stage, three seeds", "",
             "Loss on held-out cells after each quarter of the steps (nats per cell; flow loss).", "",
             "| order of cells | autoencoder | flow |", "| --- | --- | --- |"]  # fmt: skip
    for how, curves in found.items():
        text = [" → ".join(f"{value:.{digits}f}" for value in curves[stage])
                for stage, digits in (("autoencoder", 1), ("flow", 4))]  # fmt: skip
        order, seed = how.split(", ")
        name = {"full": "fully shuffled", "blocks": "blocks of 64, windows of 256 blocks",
                "few blocks": "blocks of 64, windows of 4 (too few)"}[order]  # fmt: skip
        lines.append(f"| {name}, {seed} | {text[0]} | {text[1]} |")
    return lines


def _time(run: dict[str, Any]) -> str:
    return f"{run['cpu']:.1f} ({run['wall']:.1f})"


def _rate(run: dict[str, Any]) -> str:
    return f"{run['wall']:,.0f} ({run['cpu']:,.0f})"


WRITERS = {"import": _import_table, "scale": _scale_table, "training": _training_table, "loader": _loader_table,
           "shuffle": _shuffle_table}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--scratch", type=Path, help="A folder for data sets, which are removed.")
    parser.add_argument("--files", type=Path, help="A folder where generated files are kept for the next time.")
    parser.add_argument("--folder", help="A data set's folder to train on instead of a new one of a million cells.")
    parser.add_argument("--scdataset", default="", help="A folder with scDataset, to compare with.")
    parser.add_argument("--again", action="store_true", help="Measure also what is kept.")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(MEASURES[chosen.measure[0]](*json.loads(chosen.measure[1]))))
        return
    if chosen.again:
        for part in chosen.parts:
            for path in RESULTS.glob(f"{part}*.json"):
                path.unlink()
    for part in chosen.parts:
        with tempfile.TemporaryDirectory(dir=chosen.scratch) as scratch:
            result = globals()[f"part_{part}"](Path(scratch), chosen)
        machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f} at the end"
        RESULTS.mkdir(parents=True, exist_ok=True)
        found = {"result": result, "when": time.strftime("%Y-%m-%d"), "machine": machine}
        (RESULTS / f"{part}.json").write_text(json.dumps(found, indent=1))
    kept = {part: json.loads((RESULTS / f"{part}.json").read_text())
            for part in PARTS if (RESULTS / f"{part}.json").exists()}  # fmt: skip
    TABLE.write_text(table(kept) + "\n", encoding="utf-8")
    print(table(kept))


if __name__ == "__main__":
    main()
