"""GeneDiff: genes + tokenizer + backbone + objective + labels, in one module that generates cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from genediff.core.errors import InputError
from genediff.diffusion import PATHS, Objective, sample
from genediff.diffusion.guidance import GUIDANCE
from genediff.diffusion.thinning import read_cells
from genediff.distributed import ALONE
from genediff.knowledge import Knowledge
from genediff.models.autoencoder import Autoencoder
from genediff.models.config import SampleConfig, SpeedConfig
from genediff.models.count_denoiser import CountDenoiser
from genediff.models.denoiser import GeneDenoiser, LatentDenoiser
from genediff.models.speed import network, precision_on
from genediff.nn.counts import Gaussian, Head, NegativeBinomial, ZeroInflatedNegativeBinomial
from genediff.tokenizers import Material, build_tokenizer
from genediff.tokenizers.statistics import Statistics

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from scipy.sparse import csr_matrix

    from genediff.distributed import Ranks
    from genediff.models.model_info import ModelSpec
    from genediff.models.speed import Network
    from genediff.tokenizers import Tokenizer

Progress = Callable[[int, int], None]
Watch = Callable[[Tensor], None]


class GenerativeModel(nn.Module):
    """A generative model of cells.

    Parameters
    ----------
    spec
        What the model is: configuration, genes, label levels.
    statistics
        Of the training cells; None when weights will be loaded.
    knowledge
        Gene sets or a network over the genes, for the strategies that need them.
    """

    mean: Tensor
    std: Tensor
    library_scale: Tensor
    token_mean: Tensor
    token_std: Tensor
    null: Tensor

    def __init__(
        self, spec: ModelSpec, statistics: Statistics | None = None, *, knowledge: Knowledge | None = None
    ) -> None:
        super().__init__()
        config = spec.run.model
        _check(spec)
        known = statistics or Statistics.empty(len(spec.genes))
        self.spec = spec
        self.knowledge = knowledge or Knowledge()
        material = Material(spec.genes, self.knowledge)
        tokenizer = build_tokenizer(config.tokenizer, material, config.tokenizer_options, training=statistics)
        self.in_latent_space = config.space == "latent"
        self.in_count_space = config.space == "counts"
        path = PATHS[config.path]()
        self.objective = Objective(path, config.predict, config.times)
        n_levels = [len(levels) for levels in spec.levels.values()]
        self.autoencoder: Autoencoder | None = None
        self.denoiser: LatentDenoiser | GeneDenoiser | CountDenoiser
        n_tokens = 0
        if self.in_latent_space:
            self.autoencoder = Autoencoder(tokenizer, _build_head(spec, known))
            self.denoiser = LatentDenoiser(tokenizer.layout, config, n_levels, library=spec.has_counts)
            n_tokens = tokenizer.layout.size
        elif self.in_count_space:
            self.denoiser = CountDenoiser(tokenizer, config, n_levels, known, spec)
        else:
            self.denoiser = GeneDenoiser(
                tokenizer, config, n_levels, n_genes=len(spec.genes), objective=self.objective, library=spec.has_counts
            )
        self.register_buffer("mean", known.mean.clone())
        self.register_buffer("std", known.std.clone())
        self.register_buffer("library_scale", known.library.clone())
        self.register_buffer("token_mean", torch.zeros(n_tokens))
        self.register_buffer("token_std", torch.ones(n_tokens))
        self.register_buffer("null", torch.tensor(n_levels, dtype=torch.long), persistent=False)
        self._networks: dict[Any, Any] = {}

    # -- what it is --------------------------------------------------------------------------------------------

    @property
    def genes(self) -> tuple[str, ...]:
        """The genes that are generated, in order."""
        return self.spec.genes

    @property
    def conditions(self) -> dict[str, tuple[str, ...]]:
        """The obs columns that steer generation, with their levels in order."""
        return dict(self.spec.levels)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenization strategy: of the autoencoder, or of the denoiser in gene and count space."""
        if self.autoencoder is not None:
            return self.autoencoder.tokenizer
        assert not isinstance(self.denoiser, LatentDenoiser)
        return self.denoiser.tokenizer

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device

    @property
    def n_parameters(self) -> int:
        """The number of trained numbers."""
        return sum(p.numel() for p in self.parameters())

    @property
    def state_size(self) -> int:
        """The length of the vector that the flow runs on, or the genes that molecules are read of."""
        if self.in_count_space:
            return len(self.genes)
        size = self.tokenizer.layout.size if self.in_latent_space else len(self.genes)
        return size + int(self.spec.has_counts)

    # -- between cells and the state of the flow -----------------------------------------------------------------

    def log_normalise(self, counts: Tensor, library: Tensor) -> Tensor:
        """Turn counts (cell, gene) of libraries (cell,) into x on the model's scale; values that are no counts stay."""
        return torch.log1p(counts * (self.spec.target_sum / library)[:, None]) if self.spec.has_counts else counts

    def standardise(self, x: Tensor) -> Tensor:
        """Scale log-normalised expression (cell, gene) by the training mean and standard deviation."""
        return (x - self.mean) / self.std

    def standardise_library(self, library: Tensor) -> Tensor:
        """Map library sizes (cell,) to standardised logs (cell, 1); (cell, 0) where there are no counts."""
        if not self.spec.has_counts:
            return library.new_zeros(len(library), 0)
        return ((library.log() - self.library_scale[0]) / self.library_scale[1])[:, None]

    def to_cells(self, state: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Turn states (cell, dim) into what could have been measured (cell, gene) and library sizes (cell,)."""
        if self.in_count_space:
            return state.cpu(), state.sum(1).cpu()
        state, library = self._without_library(state)
        if self.autoencoder is not None:
            return self.autoencoder.head.sample(self._logits(state), library, generator=generator), library.cpu()
        x = (state * self.std + self.mean).clamp(min=0)  # (cell, gene), log-normalised
        if not self.spec.has_counts:
            return x.cpu(), library.cpu()
        return torch.round(torch.expm1(x) * (library / self.spec.target_sum)[:, None]).cpu(), library.cpu()

    @torch.no_grad()
    def expected(self, state: Tensor) -> Tensor:
        """Turn states (cell, dim) into what is expected to be measured, (cell, gene): `to_cells` without chance."""
        if isinstance(self.denoiser, CountDenoiser):  # what is not read yet, as it is expected without a label
            depth = state.sum(1)
            full = depth.clamp(min=self.spec.target_sum)
            shares = self.denoiser(state, full, self.null.expand(len(state), -1)).exp()  # (cell, gene)
            return state + (full - depth)[:, None] * shares
        state, library = self._without_library(state)
        if self.autoencoder is not None:
            return self.autoencoder.head.mean(self._logits(state), library)
        x = (state * self.std + self.mean).clamp(min=0)  # (cell, gene)
        return torch.expm1(x) * (library / self.spec.target_sum)[:, None] if self.spec.has_counts else x

    @torch.no_grad()
    def tokens_of(self, state: Tensor) -> Tensor:
        """Return the tokens (cell, token, channel) of states (cell, dim): of the flow, or of cells in gene space."""
        layout = self.tokenizer.layout
        if isinstance(self.denoiser, CountDenoiser):
            codes = self.null.expand(len(state), -1)
            return self.denoiser.tokens(state, self.denoiser.start_log_shares(state, state.sum(1), codes))
        if not self.in_latent_space:
            return self.tokenizer.encode(state[:, : len(self.genes)])
        return (state[:, : layout.size] * self.token_std + self.token_mean).unflatten(1, (layout.n_tokens, -1))

    def _without_library(self, state: Tensor) -> tuple[Tensor, Tensor]:
        if not self.spec.has_counts:
            return state, state.new_ones(len(state))
        # A library beyond four standard deviations is the sampler's error, not a cell.
        scaled = state[:, -1].clamp(-4, 4)
        return state[:, :-1], torch.exp(scaled * self.library_scale[1] + self.library_scale[0])

    def _logits(self, state: Tensor) -> Tensor:
        """Return one number per gene, (cell, gene), from the flow's tokens (cell, dim)."""
        assert self.autoencoder is not None
        return self.autoencoder.tokenizer.decode(self.tokens_of(state))

    # -- generation ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def states(
        self,
        codes: Tensor,
        *,
        config: SampleConfig,
        generator: torch.Generator,
        watch: Watch | None = None,
        called: Network | None = None,
        library: Tensor | None = None,
        start: Tensor | None = None,
    ) -> Tensor:
        """Draw states (cell, dim) for level codes (cell, column).

        `watch` is shown the noise and every step; `called` is the denoiser as `genediff.models.speed.network` gives it.
        In count space states are counts (cell, gene), library sizes (cell,) may be given, and cells may start from
        counts that were read already.
        """
        watch, called = watch or _pass_by, called or self.denoiser
        if isinstance(self.denoiser, CountDenoiser):
            return self._read(self.denoiser, codes, config, generator, watch, called, library, start)
        x_0 = torch.randn(len(codes), self.state_size, generator=generator).to(self.device)
        codes = codes.to(self.device)

        def velocity(x_t: Tensor, t: Tensor, given: Tensor) -> Tensor:
            return self.objective.velocity(called(x_t, t, given), x_t, t)

        guided = GUIDANCE[self.spec.run.model.guidance](velocity, codes, self.null, config.guidance)
        x = x_0
        watch(x_0)
        for x in sample(
            guided,
            x_0,
            self.objective.path,
            sampler=config.sampler,
            n_steps=config.n_steps,
            start=self.objective.start,
            generator=generator,
        ):
            watch(x)
        return x

    def _read(
        self,
        denoiser: CountDenoiser,
        codes: Tensor,
        config: SampleConfig,
        generator: torch.Generator,
        watch: Watch,
        called: Network,
        library: Tensor | None,
        start: Tensor | None,
    ) -> Tensor:
        """Draw cells molecule by molecule, (cell, gene)."""
        codes = codes.to(self.device)
        if library is None:
            library, _ = denoiser.start.draw_library(codes, generator=generator)
        library = library.to(self.device)
        rule = GUIDANCE[self.spec.run.model.guidance]

        def log_shares(counts: Tensor, rows: Tensor) -> Tensor:
            own, full = codes[rows], library[rows]
            guided = rule(called, own, self.null, config.guidance)(counts, full)
            # Drawn from the posterior, not at its mean: molecules of one batch then vary together as they should.
            drawn, mean = denoiser.start.draw_log_rates(counts, full, own, generator=generator)
            return guided + drawn.to(counts.device) - mean

        x = torch.zeros(len(codes), self.state_size) if start is None else start
        watch(x)
        for x in read_cells(
            log_shares, library, n_genes=self.state_size, n_steps=config.n_steps, generator=generator, start=start
        ):
            watch(x)
        return x

    def generate(
        self,
        n: int | None = None,
        *,
        conditions: pd.DataFrame | Mapping[str, str | Sequence[str]] | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
        n_steps: int | None = None,
        seed: int = 0,
        batch_size: int = 1024,
        precision: str = "auto",
        compiled: bool = False,
        progress: Progress | None = None,
        watch: Watch | None = None,
        ranks: Ranks = ALONE,
    ) -> AnnData:
        """Generate cells.

        Parameters
        ----------
        n
            How many; may be left out when ``conditions`` is a table with one row per cell.
        conditions
            One level per condition for all cells, a list of n levels, or a table; columns that are left out
            are "no label". None draws combinations as often as they occur among the training cells.
        guidance, sampler, n_steps
            The model's own defaults where None.
        seed
            The same seed gives the same cells, on the same kind of device.
        precision, compiled
            How fast they are drawn, see `SpeedConfig`: "auto", "bf16" or "fp32", and whether the network is compiled.
        progress
            Called with (cells done, cells in all) after each batch; may raise to stop.
        watch
            Called with the states (cell, dim) of the first batch, the noise and then after every step, such as a
            `genediff.diffusion.Recorder`; the cells are the same with it and without.
        ranks
            Processes that share the batches; all ask for the same cells, and all get all of them.

        Returns
        -------
        AnnData
            Counts (or log-normalised values for a model of data without counts) as CSR, the conditions and the
            library size in obs, and where the cells come from in ``uns["genediff"]``.
        """
        config = self.sample_config(guidance=guidance, sampler=sampler, n_steps=n_steps)
        speed = speed_config(precision=precision, compiled=compiled)
        codes = self.level_codes(n, conditions, seed=seed)
        numbers = ranks.share(-(-len(codes) // batch_size))
        drawn = self.batches(
            codes,
            config=config,
            seed=seed,
            batch_size=batch_size,
            numbers=numbers,
            speed=speed,
            watch=watch if ranks.first else None,
        )
        own: dict[int, tuple[csr_matrix, np.ndarray]] = {}
        for number, (cells, library) in zip(numbers, drawn, strict=True):
            own[number] = (_sparse(cells), library.numpy())
            if progress is not None:
                progress(min((number + ranks.size) * batch_size, len(codes)), len(codes))
        every = ranks.collect(own)
        origin = self.provenance(config, seed=seed, speed=speed)
        return self._to_anndata([x for x, _ in every], [n for _, n in every], codes, origin=origin)

    def batches(
        self,
        codes: Tensor,
        *,
        config: SampleConfig,
        seed: int,
        batch_size: int = 1024,
        numbers: Iterable[int] | None = None,
        speed: SpeedConfig | None = None,
        watch: Watch | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Draw cells batch by batch: values (cell, gene) and library sizes (cell,), on the CPU.

        A batch depends on the seed, its number and the level codes alone. So a job that goes on after a break, or that
        shares the batches with others, draws the cells that one unbroken job would have drawn.

        Parameters
        ----------
        codes
            Level codes (cell, column) of all cells, such as `level_codes` gives; any whole numbers.
        numbers
            Which batches, from 0 on; all of them unless given.
        speed
            In how many bits, and compiled or not.
        watch
            Called with the states (cell, dim) of the first of these batches; may raise to stop.
        """
        wanted = range(-(-len(codes) // batch_size)) if numbers is None else numbers
        was_training = self.training
        self.eval()
        called = self._called(speed or SpeedConfig())
        try:
            for number in wanted:
                generator = torch.Generator().manual_seed(_mix(seed, number))
                part = codes[number * batch_size : (number + 1) * batch_size].long()
                state = self.states(part, config=config, generator=generator, watch=watch, called=called)
                watch = None
                with torch.no_grad():
                    yield self.to_cells(state, generator=generator)
        finally:
            self.train(was_training)

    def _called(self, speed: SpeedConfig) -> Network:
        """Return the denoiser as it is called while cells are drawn; a compiled one is kept for the next batches."""
        kept = self._networks.get(speed) if self._networks.get("device") == self.device else None
        if kept is None:
            kept = network(self.denoiser, speed, self.device)
            self._networks = {"device": self.device, speed: kept}
        return kept

    def sample_config(self, **changes: Any) -> SampleConfig:
        """Return how cells are drawn: the model's own way, with those options changed that are not None.

        Raises
        ------
        InputError
            When an option cannot be used.
        """
        return sample_config(self.spec.run.sample, **changes)

    def level_codes(
        self, n: int | None, conditions: pd.DataFrame | Mapping[str, str | Sequence[str]] | None, *, seed: int
    ) -> Tensor:
        """Return the level codes (cell, column) that `generate` draws cells for; parameters are those of `generate`."""
        import pandas as pd

        if conditions is None:
            if n is None:
                raise InputError("say how many cells to generate (n), or give a table of conditions")
            rows, weights = zip(*self.spec.combinations, strict=True) if self.spec.combinations else (((),), (1,))
            table = torch.tensor(rows, dtype=torch.long).reshape(len(rows), len(self.null))
            table = torch.where(table < 0, self.null.cpu(), table)
            generator = torch.Generator().manual_seed(_mix(seed, -1))
            drawn = torch.multinomial(
                torch.tensor(weights, dtype=torch.double), n, replacement=True, generator=generator
            )
            return table[drawn]
        columns = {k: conditions[k] for k in conditions} if isinstance(conditions, pd.DataFrame) else dict(conditions)
        if unknown := [k for k in columns if k not in self.spec.levels]:
            known = ", ".join(self.spec.levels) or "none"
            raise InputError(f"this model has no condition {unknown[0]!r}; it was trained with: {known}")
        sizes = {len(v) for v in columns.values() if not isinstance(v, str)}
        if n is not None:
            sizes.add(n)
        if len(sizes) != 1:
            raise InputError("give the number of cells, and as many levels as cells for each condition")
        n = sizes.pop()
        codes = self.null.cpu().expand(n, -1).clone()
        for i, (name, levels) in enumerate(self.spec.levels.items()):
            if name in columns:
                codes[:, i] = _look_up(columns[name], levels, name=name, n=n)
        return codes

    def _to_anndata(
        self, parts: list[csr_matrix], libraries: list[np.ndarray], codes: Tensor, *, origin: dict[str, Any]
    ) -> AnnData:
        import pandas as pd
        from anndata import AnnData
        from scipy import sparse

        n_genes = len(self.genes)
        matrix = sparse.vstack(parts) if parts else sparse.csr_matrix((0, n_genes))
        obs = pd.DataFrame(index=[f"generated_{i}" for i in range(len(codes))])
        for i, (name, levels) in enumerate(self.spec.levels.items()):
            taken = codes[:, i].numpy()
            obs[name] = pd.Categorical.from_codes(np.where(taken == len(levels), -1, taken).astype(int), list(levels))
        if self.spec.has_counts:
            obs["library"] = np.concatenate(libraries) if libraries else np.zeros(0)
        cells = AnnData(matrix.tocsr().astype(np.float32), obs=obs, var=pd.DataFrame(index=list(self.genes)))
        cells.uns["genediff"] = origin
        return cells

    def provenance(self, config: SampleConfig, *, seed: int, speed: SpeedConfig | None = None) -> dict[str, Any]:
        """Return where generated cells come from, as plain values for their ``uns["genediff"]``."""
        speed = speed or SpeedConfig()
        return {
            "generated": True,
            "model_id": self.spec.id,
            "model_title": self.spec.title,
            "dataset_id": self.spec.dataset_id,
            "values": "counts" if self.spec.has_counts else "log-normalised",
            "target_sum": self.spec.target_sum,
            "seed": seed,
            **config.model_dump(),
            "precision": precision_on(speed.precision),
            "compiled": speed.compiled,
            "versions": dict(self.spec.versions),
            "config": self.spec.run.model_dump_json(),
        }


def _sparse(cells: Tensor) -> csr_matrix:
    from scipy import sparse

    return sparse.csr_matrix(cells.numpy())


def _pass_by(state: Tensor) -> None:
    pass


def _check(spec: ModelSpec) -> None:
    config = spec.run.model
    if config.backbone == "dit" and config.width % config.heads:
        raise InputError(f"the width {config.width} is not a multiple of the {config.heads} heads; change one of them")
    if config.space == "counts" and not spec.has_counts:
        raise InputError(
            "these data hold no counts, so molecules cannot be read one by one; choose latent or gene space"
        )
    if spec.has_counts and config.space == "latent" and config.likelihood == "gaussian":
        raise InputError("the Gaussian likelihood is for data without counts; choose nb or zinb")
    if not spec.has_counts and config.space == "latent" and config.likelihood != "gaussian":
        raise InputError(
            f"these data hold no counts, so the {config.likelihood.upper()} likelihood does not apply; choose gaussian"
        )


def _build_head(spec: ModelSpec, known: Statistics) -> Head:
    config = spec.run.model
    if config.likelihood == "gaussian":
        return Gaussian(known.mean, known.std, known.smallest)
    kind = NegativeBinomial if config.likelihood == "nb" else ZeroInflatedNegativeBinomial
    return kind(known.log_profile, ambient=config.ambient)


def sample_config(base: SampleConfig, **changes: Any) -> SampleConfig:
    """Return how cells are drawn, with those options changed that are not None; InputError when one cannot be used."""
    given = {key: value for key, value in changes.items() if value is not None}
    try:
        return SampleConfig.model_validate({**base.model_dump(), **given})
    except ValueError:
        raise InputError(
            f"these sampling options cannot be used: {given}; samplers are euler, heun, ddim, ancestral, dopri5, "
            "steps 1 to 1,000, guidance 0 to 20"
        ) from None


def speed_config(**choices: Any) -> SpeedConfig:
    """Return how cells are drawn; InputError when an option cannot be used."""
    try:
        return SpeedConfig.model_validate(choices)
    except ValueError:
        raise InputError(
            f"the precision {choices.get('precision')!r} cannot be used; choose auto, bf16 or fp32"
        ) from None


def _look_up(given: str | Sequence[str], levels: Sequence[str], *, name: str, n: int) -> Tensor:
    """Map level names to codes (n,); a missing value is "no label"."""
    import pandas as pd

    index = {level: i for i, level in enumerate(levels)}
    values = [given] * n if isinstance(given, str) else list(given)
    codes = []
    for value in values:
        missing = value is None or (not isinstance(value, str) and pd.isna(value))
        if not missing and str(value) not in index:
            raise InputError(f"{value!r} is not a level of {name!r}; known: {', '.join(levels)}")
        codes.append(len(levels) if missing else index[str(value)])
    return torch.tensor(codes, dtype=torch.long)


def _mix(seed: int, number: int) -> int:
    """Return a seed of 63 bits for one of many streams of a seed."""
    return int(np.random.SeedSequence([seed, number + 1]).generate_state(2, np.uint32).astype(np.uint64) @ [1, 2**31])
