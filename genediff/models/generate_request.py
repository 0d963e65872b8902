"""Which cells are asked of a model: what the app, the command line, runs and notebooks all ask with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from genediff.models.conditions import cells_at_once, check_conditions, draw_conditions

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    from genediff.diffusion import Recorder
    from genediff.models.config import SampleConfig
    from genediff.models.generative_model import GenerativeModel
    from genediff.models.model_info import ModelSpec


@dataclass(frozen=True)
class GenerateRequest:
    """Which cells, and how they are drawn; the same request means the same cells everywhere.

    Parameters
    ----------
    model_id
        Of the workspace; empty for a model that lies elsewhere.
    n
        How many cells.
    conditions
        Level by column. Columns that are left out are drawn as they occur among the training cells.
    guidance, sampler, n_steps
        The model's own where None; a guidance above 1 gives more typical and less varied cells.
    seed
        The same seed gives the same cells, on the same kind of device.
    precision, compiled
        "auto" (32 bits), "bf16" or "fp32"; and whether the network is compiled first.
    """

    model_id: str
    n: int
    conditions: dict[str, str] = field(default_factory=dict)
    guidance: float | None = None
    sampler: str | None = None
    n_steps: int | None = None
    seed: int = 0
    precision: str = "auto"
    compiled: bool = False

    def check(self, spec: ModelSpec) -> None:
        """Raise an InputError where this model cannot be asked for that."""
        from genediff.models.generative_model import sample_config, speed_config

        check_conditions(spec, self.conditions)
        speed_config(precision=self.precision, compiled=self.compiled)
        sample_config(spec.run.sample, guidance=self.guidance, sampler=self.sampler, n_steps=self.n_steps)

    def draw(
        self,
        model: GenerativeModel,
        *,
        progress: Callable[[int, int], None] | None = None,
        watch: Recorder | None = None,
    ) -> AnnData:
        """Generate the cells; other parameters are those of `GenerativeModel.generate`."""
        return model.generate(
            self.n,
            conditions=draw_conditions(model.spec, self.conditions, n=self.n, seed=self.seed),
            guidance=self.guidance,
            sampler=self.sampler,
            n_steps=self.n_steps,
            seed=self.seed,
            batch_size=cells_at_once(self.n),
            precision=self.precision,
            compiled=self.compiled,
            progress=progress,
            watch=watch,
        )

    def with_defaults(self, own: SampleConfig) -> GenerateRequest:
        """Return the same request with the model's defaults filled in."""
        left = {name: value for name, value in own.model_dump().items() if getattr(self, name) is None}
        return replace(self, **left)
