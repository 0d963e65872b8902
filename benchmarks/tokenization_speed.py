"""What tokenization costs: our kernels against the plain way of doing the same, side by side in one run.

    python -m benchmarks.tokenization_speed                    # every section, into tokenization_speed.md
    python -m benchmarks.tokenization_speed --only attention   # one section, printed and not written

A section is a function that returns its part of the page; it is one line in ``SECTIONS``. Each case is measured in a
process of its own, so that a peak of memory is the case's alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import edge_attention_cases as cases
from benchmarks.pathway_speed import pathway_section

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
THREADS = 2


def measure(name: str, *numbers: int, huge_pages: bool = False) -> dict[str, float]:
    """Return what one case measured in a process of its own; torch asks for huge pages only when it is told to."""
    threads = {key: str(THREADS) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    settings = {**os.environ, **threads, "OMP_WAIT_POLICY": "PASSIVE", "THP_MEM_ALLOC_ENABLE": str(int(huge_pages))}
    command = [sys.executable, "-m", "benchmarks.edge_attention_cases", name, *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=settings, cwd=HERE.parent)
    return json.loads(done.stdout.splitlines()[-1])


def attention() -> str:
    """Attention along edges: time, ratio and memory against three other ways."""
    lines = [
        "## Attention along the edges of a network",
        "",
        f"Forward and backward of 8 heads, d = 128, batch 8, {THREADS} threads: by the clock, and processor seconds of "
        "all threads in brackets; the least of some repeats. *Scaled*: measured on a part of the rows of the (target, "
        "source) matrix of one cell and multiplied up. Peak is what the process grew by, once it had "
        "compiled its kernels (some 0.15 GB). Neighbours on the machine "
        "stretch the clock, of long runs more than of short ones, so the ratio of processor seconds is the fairer one. "
        "All as torch comes; the last columns are the same two with huge pages (`THP_MEM_ALLOC_ENABLE=1`, what our "
        "workers set): half of what dense attention costs is the system handing out its gigabytes.",
        "",
        "| genes / edges | dense, masked softmax | SDPA with mask | gather and scatter, autograd | public kernels "
        "| **edge kernels** | dense / ours, clock | dense / ours, processor | peak of ours | dense, huge pages "
        "| edge kernels, huge pages | ratio, clock | ratio, processor |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for genes, edges in ((2_000, 10_000), (5_000, 100_000), (20_000, 100_000)):
        found = {name: measure(name, genes, edges) for name in ("ours", "dense", "sdpa", "gather", "public")}
        huge = {name: measure(name, genes, edges, huge_pages=True) for name in ("ours", "dense")}
        shown = [_seconds(found[name]) for name in ("dense", "sdpa", "gather", "public", "ours")]
        lines.append(
            f"| {genes:,} / {edges:,} | {' | '.join(shown)} | {_ratios(found)} | {found['ours']['peak'] / 1e9:.2f} GB "
            f"| {_seconds(huge['dense'])} | {_seconds(huge['ours'])} | {_ratios(huge)} |"
        )
        print(lines[-1], flush=True)
    return "\n".join([*lines, "", memory(), "", training()])


def memory() -> str:
    """Show that memory follows edges and not pairs of genes."""
    rows = [(2_000, 100_000), (20_000, 100_000), (20_000, 400_000)]
    lines = [
        "What the backward keeps besides queries, keys, values and output (one cell):",
        "",
        "| genes / edges | kept numbers | per edge and head | pairs of genes |",
        "|---|---|---|---|",
    ]
    for genes, edges in rows:
        kept = measure("kept", genes, edges)["kept"]
        per_edge = kept / ((edges + genes) * cases.HEADS)
        lines.append(f"| {genes:,} / {edges:,} | {kept:,.0f} | {per_edge:.2f} | {genes**2 * cases.HEADS:,} |")
    return "\n".join(lines)


def training() -> str:
    """Train the whole GRN model in gene space for a few steps."""
    lines = [
        "The whole GRN model in gene space (denoiser, loss, AdamW), a few steps on random cells:",
        "",
        "| genes / edges | width x layers, batch | s / step | loss first -> last | peak |",
        "|---|---|---|---|---|",
    ]
    for genes, edges, width, depth, batch in ((2_000, 7_000, 32, 2, 16), (20_000, 100_000, 64, 2, 8)):
        found = measure("train", genes, edges, width, depth, batch)
        lines.append(
            f"| {genes:,} / {edges:,} | {width} x {depth}, {batch} | {found['seconds']:.2f} | {found['first']:.3f} -> "
            f"{found['last']:.3f} | {found['peak'] / 1e9:.1f} GB |"
        )
        print(lines[-1], flush=True)
    return "\n".join(lines)


def _ratios(found: dict[str, dict[str, float]]) -> str:
    clock, processor = (found["dense"][key] / found["ours"][key] for key in ("seconds", "cpu"))
    return f"**{clock:,.0f} ×** | **{processor:,.0f} ×**"


def _seconds(found: dict[str, float]) -> str:
    clock, processor = (
        f"{value:,.0f} s" if value >= 10 else f"{value * 1e3:,.0f} ms" for value in (found["seconds"], found["cpu"])
    )
    return f"{clock} ({processor}){', scaled' if found.get('scaled') else ''}"


SECTIONS: dict[str, Callable[[], str]] = {"attention": attention, "pathways": pathway_section}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS, default=None)
    chosen = parser.parse_args()
    names = [chosen.only] if chosen.only else list(SECTIONS)
    text = "\n\n".join(["# Tokenization: speed and memory", *(SECTIONS[name]() for name in names), ""])
    print(text)
    if not chosen.only:
        (HERE / "tokenization_speed.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
