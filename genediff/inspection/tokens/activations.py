"""What a trained model's tokens say of every cell: measured once, kept, and opened in a moment."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.core.disk_errors import new_array
from genediff.inspection.tokens import token_store
from genediff.inspection.tokens.inspected_cells import read_cells
from genediff.inspection.tokens.loadings import KnowsActivity, principal, read_activity
from genediff.inspection.tokens.probe import Probe, some_rows
from genediff.inspection.tokens.sensitivity import sensitivity, upwards
from genediff.inspection.tokens.token_store import Activations, Loadings, open_activations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.inspection.tokens.inspected_cells import ReadCells
    from genediff.models.generative_model import GenerativeModel

__all__ = ["Activations", "activations", "activity_of", "open_activations"]

MOST_NUMBERS = 2**26  # tokens x channels x cells that are kept: 256 MB
BLOCK = 1024
PROBED = 16  # cells that decide which way is up


def activations(
    model: GenerativeModel,
    dataset: Dataset,
    folder: Path,
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> Activations:
    """Return what a model's tokens say of the cells of a data set.

    Measured once and kept in ``folder`` (removing it is always safe). In gene space these are the tokens of the clean
    cell, at t = 1. Cells may be others than those of training: genes are matched by name.

    Parameters
    ----------
    folder
        Of the cache.
    progress
        Called with the share that is done, 0 to 1; may raise to stop, and nothing half-done is left behind.

    Raises
    ------
    InputError
        When the model cannot read these cells.
    """
    spec = model.spec
    target = token_store.place(folder, model_id=spec.id, created=spec.created, content_hash=dataset.content_hash)
    kept = token_store.read(target)
    if kept is not None:
        return kept
    # Written aside and moved in one step, so that a reader never sees half of it.
    aside = target.with_name(f"{target.name}.{os.getpid()}-{id(model):x}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        _measure(model, read_cells(model, dataset), aside, progress)
        token_store.forget(target)
        os.replace(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    found = token_store.read(target)
    assert found is not None
    return found


def activity_of(model: GenerativeModel, tokens: Tensor, loadings: Loadings) -> Tensor:
    """Return one number per token, (cell, token), of any tokens (cell, token, channel) of this model.

    The map is that of ``Activations.values``, so cells under way in denoising lie in the same space as real ones.
    """
    return read_activity(model.tokenizer, tokens, loadings)


@torch.no_grad()
def _measure(model: GenerativeModel, cells: ReadCells, folder: Path, progress: Callable[[float], None]) -> None:
    tokenizer, layout = model.tokenizer, model.tokenizer.layout
    rows = some_rows(cells.n_cells, max(BLOCK, MOST_NUMBERS // layout.size))
    shape = (layout.n_tokens, layout.n_channels, len(rows))
    tokens = new_array(folder / "tokens.npy", shape, np.float32)
    sums = np.zeros(shape[:2])
    products = np.zeros((shape[0], shape[1], shape[1]))
    divergence, pays = np.zeros(shape[0]), False
    for start in range(0, len(rows), BLOCK):
        posterior = tokenizer.posterior(cells.block(rows[start : start + BLOCK])[0])
        block = posterior.mean.double()  # (cell, token, channel)
        tokens[:, :, start : start + len(block)] = posterior.mean.permute(1, 2, 0).cpu().numpy()
        sums += block.sum(0).cpu().numpy()
        products += torch.einsum("nti,ntj->tij", block, block).cpu().numpy()
        divergence += posterior.divergence().sum(2).double().sum(0).cpu().numpy()
        pays = pays or (model.in_latent_space and bool(tokenizer.penalty(posterior).abs().sum() > 0))
        progress(0.8 * min(start + BLOCK, len(rows)) / len(rows))
    n = len(rows)
    centre = sums / n
    covariance = products / n - centre[:, :, None] * centre[:, None, :]
    direction, spread, share = principal(covariance)
    loadings = Loadings(centre.astype(np.float32), direction, spread, share, np.zeros(0, dtype=np.float32))
    loadings = _signed(model, cells, rows, loadings, tokens)
    values = new_array(folder / "values.npy", (shape[0], n), np.float32)
    for start in range(0, n, BLOCK):
        block = _cells_first(tokens[:, :, start : start + BLOCK]).to(model.device)
        values[:, start : start + BLOCK] = read_activity(tokenizer, block, loadings).T.cpu().numpy()
        progress(0.8 + 0.2 * min(start + BLOCK, n) / n)
    values.flush()
    tokens.flush()
    told = (divergence / n).astype(np.float32) if pays else np.full(shape[0], np.nan, dtype=np.float32)
    token_store.write(folder, Activations(layout.names, rows, values, tokens, loadings, told, cells.n_cells))


def _signed(
    model: GenerativeModel, cells: ReadCells, rows: np.ndarray, loadings: Loadings, tokens: np.ndarray
) -> Loadings:
    """Return the loadings with every direction pointing to more of what its token drives, and with the offsets."""
    tokenizer, layout = model.tokenizer, model.tokenizer.layout
    if layout.names == model.genes:
        # A token that is a gene is up where its gene is.
        some = some_rows(len(rows), BLOCK)
        along = np.einsum("tcn,tc->nt", tokens[:, :, some] - loadings.centre[:, :, None], loadings.direction)
        own = cells.block(rows[some])[0].cpu().numpy()  # (cell, gene)
        signs = np.where((along * (own - own.mean(0))).sum(0) < 0, -1.0, 1.0)
        return replace(loadings, direction=(loadings.direction * signs[:, None]).astype(np.float32))
    signs = np.ones(layout.n_tokens, dtype=np.float32)
    offset = np.zeros(0, dtype=np.float32)
    if isinstance(tokenizer, KnowsActivity):
        some = some_rows(len(rows), 8 * BLOCK)
        block = _cells_first(tokens[:, :, some]).to(model.device)
        active = torch.cat([tokenizer.activity(part) for part in block.split(BLOCK)]).cpu().numpy()  # (cell, token)
        offset = active.mean(0)
        along = ((block.cpu().numpy() - loadings.centre) * loadings.direction).sum(2)[:, : len(offset)]
        signs[: len(offset)] = np.where((along * (active - offset)).sum(0) < 0, -1.0, 1.0)
    free = range(len(offset), layout.n_tokens)
    if len(free):
        probe = Probe.of(cells, rows[some_rows(len(rows), PROBED)])
        signs[len(offset) :] = upwards(sensitivity(probe, loadings, free))
    return replace(loadings, direction=(loadings.direction * signs[:, None]).astype(np.float32), offset=offset)


def _cells_first(tokens: np.ndarray) -> Tensor:
    """Return stored tokens (token, channel, cell) as the model takes them, (cell, token, channel)."""
    return torch.from_numpy(np.ascontiguousarray(tokens.transpose(2, 0, 1)))
