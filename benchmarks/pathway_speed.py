"""Pathway tokens: the batched product over all sets against a loop over sets, side by side in one run.

    python -m benchmarks.pathway_speed        # about two minutes; prints the table

The loops are good plain ones: a layer per set; the encoder stacks them, the decoder unbinds the tokens and adds in
place. A decoder that indexes `tokens[:, i]` is left out: its backward writes all tokens once per set. Times are medians
of forward and backward, and of these and a step of fused AdamW, by the clock and in processor seconds of all threads; a
loop has thousands of tensors to step. The expression that is encoded asks for no gradient, as in training.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.nn.set_linear import Members, SetDecoder, SetEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

SETS = Path(__file__).resolve().parents[2] / "shared" / "data" / "genesets"
COLLECTIONS = {
    "Hallmark": "msigdb_h.all.v7.5.1.symbols.gmt",
    "Reactome": "msigdb_c2.cp.reactome.v7.5.1.symbols.gmt",
    "canonical pathways, the 2,500 smallest": "msigdb_c2.cp.v7.5.1.symbols.gmt",
}
ROOT = Path(__file__).resolve().parents[1]
CELLS, CHANNELS, THREADS = 64, 256, 2
WORKERS = {"OMP_WAIT_POLICY": "PASSIVE", "THP_MEM_ALLOC_ENABLE": "1"}
SETTINGS = {
    "As our workers run (waiting threads sleep, huge pages): a loop of thousands of small products wakes its threads "
    "thousands of times.": WORKERS,
    "As torch comes (waiting threads spin, which costs neighbours their time; small pages):": {},
}
MOST_SETS, SMALLEST = 2500, 5
CLOCKS = ("", "CPU ", "with AdamW ", "CPU with AdamW ")
HEAD = ["collection", "sets", "genes", "memberships", ""]
HEAD += [f"{clock}{what}" for clock in CLOCKS for what in ("loop", "batched", "ratio")]


def members_of(file: str) -> tuple[list[np.ndarray], int]:
    """Return sets of gene indices sorted by size, and the number of genes."""
    named = [list(dict.fromkeys(line.rstrip("\n").split("\t")[2:])) for line in (SETS / file).open()]
    kept = sorted((genes for genes in named if len(genes) >= SMALLEST), key=len)[:MOST_SETS]
    place = {gene: i for i, gene in enumerate(sorted({gene for genes in kept for gene in genes}))}
    return [np.array([place[gene] for gene in genes]) for genes in kept], len(place)


def loops(sets: list[np.ndarray], x: torch.Tensor, tokens: torch.Tensor) -> tuple[Callable, Callable, list]:
    """Return the plain encoder and decoder, and their weights: one layer per set."""
    where = [torch.from_numpy(genes) for genes in sets]
    inward = [torch.nn.Linear(len(genes), CHANNELS) for genes in sets]
    outward = [torch.nn.Linear(CHANNELS, len(genes), bias=False) for genes in sets]

    def encode() -> torch.Tensor:
        return torch.stack([layer(x[:, i]) for i, layer in zip(where, inward, strict=True)], 1)

    def decode() -> torch.Tensor:
        genes = torch.zeros_like(x)
        for token, i, layer in zip(tokens.unbind(1), where, outward, strict=True):
            genes.index_add_(1, i, layer(token))
        return genes

    return encode, decode, [p for layer in (*inward, *outward) for p in layer.parameters()]


def one_pass(forward: Callable, weights: list, optimizer: torch.optim.Optimizer) -> tuple[float, ...]:
    """Return wall and processor seconds of forward and backward, and the same with a step of the optimiser."""
    for weight in weights:
        weight.grad = None
    wall, cpu = time.perf_counter(), time.process_time()
    out = forward()
    out.backward(torch.ones_like(out))
    passed = time.perf_counter() - wall, time.process_time() - cpu
    optimizer.step()
    return (*passed, time.perf_counter() - wall, time.process_time() - cpu)


def measure(title: str, file: str, *, repeats: int = 5) -> list[list[str]]:
    """Return two rows of the table: encoder and decoder."""
    torch.manual_seed(0)
    sets, n_genes = members_of(file)
    members = Members(sets, n_genes)
    x, tokens = torch.randn(CELLS, n_genes), torch.randn(CELLS, len(sets), CHANNELS, requires_grad=True)
    encode, decode, weights = loops(sets, x, tokens)
    encoder, decoder = SetEncoder(members, CHANNELS), SetDecoder(members, CHANNELS)
    rows = []
    for what, loop, batched, own in (
        ("encode", encode, lambda: encoder(x), list(encoder.parameters())),
        ("decode", decode, lambda: decoder(tokens), [*decoder.parameters(), tokens]),
    ):
        steps = [torch.optim.AdamW([p for p in part if p is not tokens], fused=True) for part in (weights, own)]
        # In turns, so that a busy neighbour slows both down; the first turn, which warms up, does not count.
        turns = [
            (one_pass(loop, [*weights, tokens], steps[0]), one_pass(batched, own, steps[1])) for _ in range(repeats + 1)
        ][1:]
        row = [title, f"{len(sets):,}", f"{n_genes:,}", f"{members.n_rows:,}", what]
        for clock in range(len(CLOCKS)):
            slow, fast = (statistics.median(turn[side][clock] for turn in turns) for side in (0, 1))
            row += [f"{1e3 * slow:,.0f} ms", f"{1e3 * fast:,.0f} ms", f"**{slow / fast:.1f} ×**"]
        rows.append(row)
    return rows


def table() -> str:
    """Return the rows of every collection in Markdown, measured in this process."""
    torch.set_num_threads(THREADS)
    rows = [row for title, file in COLLECTIONS.items() for row in measure(title, file)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [HEAD, ["---"] * len(HEAD), *rows])


def pathway_section() -> str:
    """Return the section of the report on pathway tokens, in Markdown, each setting in a process of its own."""
    parts = [
        "## Pathway encode and decode",
        f"{CHANNELS} channels, {CELLS} cells, {THREADS} threads; forward + backward, medians.",
    ]
    for title, settings in SETTINGS.items():
        command = [sys.executable, "-m", "benchmarks.pathway_speed", "--here"]
        plain = {name: value for name, value in os.environ.items() if name not in WORKERS}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**plain, **settings}, cwd=ROOT)
        parts += [title, done.stdout.strip()]
    return "\n\n".join([*parts, ""])


if __name__ == "__main__":
    print(table() if "--here" in sys.argv else pathway_section())
