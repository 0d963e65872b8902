"""The plainest thing that works: one vector of 16 numbers, a linear decoder, a flow by an MLP. No tokens.

A yardstick for `benchmarks.generation` (row ``prototype``), kept apart from the library on purpose: its own
autoencoder, flow and sampler, in as few lines as we could. It trains for a number of steps and takes no option that
was tuned to a data set. Counts are negative binomial; data without counts get a normal per gene, cut at zero.
"""

from __future__ import annotations

import copy
import time

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIZE, HIDDEN, WIDTH, BLOCKS = 16, 512, 256, 4
AUTOENCODER_STEPS, FLOW_STEPS, BATCH, HEUN_STEPS = 1500, 6000, 256, 10


class Vector(nn.Module):
    """Cells to 16 numbers and back."""

    def __init__(self, n_genes: int, mean_profile: Tensor, *, counts: bool) -> None:
        super().__init__()
        self.counts = counts
        self.encoder = nn.Sequential(nn.Linear(n_genes, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, SIZE))
        self.decoder = nn.Linear(SIZE, n_genes)
        self.spread = nn.Parameter(torch.full((n_genes,), 3.0 if counts else 0.0))
        """Log dispersion, or log standard deviation where there are no counts."""
        self.ambient = nn.Parameter(torch.tensor(-3.5))
        self.register_buffer("profile", mean_profile / mean_profile.sum())
        with torch.no_grad():
            self.decoder.bias.copy_((mean_profile / mean_profile.sum() + 1e-6).log() if counts else mean_profile)

    def encode(self, x: Tensor) -> Tensor:
        """Return (cell, 16), each cell with mean 0 and variance 1."""
        return F.layer_norm(self.encoder(x), (SIZE,))

    def distribution(self, z: Tensor, library: Tensor) -> torch.distributions.Distribution:
        """Return what is measured (cell, gene), given the numbers (cell, 16) and the library sizes (cell,)."""
        if not self.counts:
            return torch.distributions.Normal(self.decoder(z), self.spread.exp())
        share = torch.sigmoid(self.ambient)
        profile = (1 - share) * self.decoder(z).softmax(-1) + share * self.profile  # (cell, gene)
        mu, theta = library[:, None] * profile, self.spread.exp()
        return torch.distributions.NegativeBinomial(theta, logits=mu.clamp(min=1e-8).log() - theta.log())


class Velocity(nn.Module):
    """Velocity (cell, dim) at time t, of cells with a label."""

    def __init__(self, dim: int, n_labels: int) -> None:
        super().__init__()
        self.label = nn.Embedding(n_labels, WIDTH)
        self.time = nn.Sequential(nn.Linear(64, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.first, self.last = nn.Linear(dim, WIDTH), nn.Linear(WIDTH, dim)
        self.steer = nn.ModuleList(nn.Linear(WIDTH, 3 * WIDTH) for _ in range(BLOCKS))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.SiLU(), nn.Linear(2 * WIDTH, WIDTH)) for _ in range(BLOCKS)
        )
        for steer in self.steer:
            nn.init.zeros_(steer.weight)
            nn.init.zeros_(steer.bias)

    def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        """Return velocities (cell, dim) of states (cell, dim) at times (cell,)."""
        angles = t[:, None] * torch.exp(torch.linspace(0, 6, 32))
        given = F.silu(self.time(torch.cat([angles.sin(), angles.cos()], 1)) + self.label(label))  # (cell, width)
        h = self.first(x)
        for steer, block in zip(self.steer, self.blocks, strict=True):
            shift, scale, gate = steer(given).chunk(3, -1)
            h = h + gate * block(F.layer_norm(h, (WIDTH,)) * (1 + scale) + shift)
        return self.last(h)


def prototype_cells(dataset, label: str, replicate: int):
    """Train on the training cells and draw for the labels of the test cells; return the cells and what it cost."""
    from anndata import AnnData

    torch.manual_seed(replicate)
    begun, has_counts = time.perf_counter(), dataset.info.has_counts
    labels, codes = np.unique(dataset.obs.loc[dataset.obs["split"] == "train", label].astype(str), return_inverse=True)
    values = dataset.counts("train") if has_counts else dataset.x("train")
    y = torch.tensor(np.asarray(values.todense()), dtype=torch.float32)  # (cell, gene)
    library = y.sum(1)
    x = torch.log1p(y * (10_000 / library)[:, None]) if has_counts else y
    x = (x - x.mean(0)) / x.std(0).clamp(min=0.05)
    model = Vector(y.shape[1], y.mean(0), counts=has_counts)
    _fit(model, x, y, library)
    with torch.no_grad():
        z = model.encode(x)
    state, log_library = z, library.log()
    if has_counts:
        state = torch.cat([z, ((log_library - log_library.mean()) / log_library.std())[:, None]], 1)  # (cell, 17)
    flow = _flow(state, torch.tensor(codes), len(labels))
    seconds = time.perf_counter() - begun
    wanted = dataset.obs.loc[dataset.obs["split"] == "test", label].astype(str).to_numpy()
    drawing = time.perf_counter()
    drawn = _draw(flow, torch.tensor(np.searchsorted(labels, wanted)), state.shape[1])
    with torch.no_grad():
        size = (drawn[:, -1] * log_library.std() + log_library.mean()).exp() if has_counts else torch.ones(len(drawn))
        out = model.distribution(F.layer_norm(drawn[:, :SIZE], (SIZE,)), size).sample().clamp(min=0)
    cells = AnnData(out.numpy(), obs=pd.DataFrame({label: wanted}, index=[f"prototype_{i}" for i in range(len(out))]))
    cells.var_names = list(dataset.genes)
    n = sum(p.numel() for module in (model, flow) for p in module.parameters())
    rate = len(out) / (time.perf_counter() - drawing)
    return cells, {"seconds": seconds, "n_parameters": n, "cells_per_second": rate, "threads": torch.get_num_threads()}


def _fit(model: Vector, x: Tensor, y: Tensor, library: Tensor) -> None:
    quick = [model.spread]  # the dispersion must move by units of log while the weights move by hundredths
    slow = [p for p in model.parameters() if p is not model.spread]
    optimizer = torch.optim.AdamW([{"params": slow, "lr": 1e-3}, {"params": quick, "lr": 3e-2}], fused=True)
    for _ in range(AUTOENCODER_STEPS):
        rows = torch.randint(len(x), (BATCH,))
        z = model.encode(x[rows])
        z = z + 0.3 * torch.randn_like(z)
        loss = -model.distribution(z, library[rows]).log_prob(y[rows]).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(slow, 50.0)
        optimizer.step()


def _flow(state: Tensor, codes: Tensor, n_labels: int) -> Velocity:
    net = Velocity(state.shape[1], n_labels)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, FLOW_STEPS)
    kept = copy.deepcopy(net)
    for _ in range(FLOW_STEPS):
        rows = torch.randint(len(state), (BATCH,))
        x_1 = state[rows]
        x_0, t = torch.randn_like(x_1), torch.sigmoid(torch.randn(BATCH))
        loss = F.mse_loss(net(x_0 + t[:, None] * (x_1 - x_0), t, codes[rows]), x_1 - x_0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for ours, theirs in zip(kept.parameters(), net.parameters(), strict=True):
                ours.lerp_(theirs, 0.005)
    return kept


@torch.no_grad()
def _draw(flow: Velocity, codes: Tensor, dim: int) -> Tensor:
    x, h = torch.randn(len(codes), dim), 1 / HEUN_STEPS
    for step in range(HEUN_STEPS):
        t = torch.full((len(codes),), step * h)
        slope = flow(x, t, codes)
        x = x + h / 2 * (slope + flow(x + h * slope, t + h, codes))
    return x
