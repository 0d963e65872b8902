"""GeneDiff, the model as a user of the library meets it."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.api.run_options import build_run
from genediff.core.disk_errors import disk_errors, draft
from genediff.core.errors import InputError
from genediff.models.conditions import column_of
from genediff.models.generate_request import GenerateRequest
from genediff.models.load_model import load_model
from genediff.tokenizers.choice import Tokenization
from genediff.training.train import train_model
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from anndata import AnnData

    from genediff.api.user_cells import Cells
    from genediff.models.generative_model import GenerativeModel
    from genediff.training.train import TrainEvent


class GeneDiff:
    """A diffusion model of single cells.

    Parameters
    ----------
    tokenizer
        The tokenization, such as ``genediff.tokenizers.Pathway(gene_sets="hallmark")``; latent tokens where None.
    preset
        "quick", "standard" or "large"; "paper", "cfgen-style" and "scldm-style" for latent tokens.
    space
        "latent" (the flow runs on tokens of a count autoencoder), "gene" (on expression) or "counts" (molecules are
        read one after the other); the strategy's usual one where None.
    conditions
        Columns of obs that steer generation; the label of the cells where None.
    steps, tokenizer_steps, batch_size
        Of the flow, of the autoencoder, cells per step; the preset's where None.
    options
        Any other option by its path, such as ``{"train.ema": 0.99, "sample.n_steps": 20}``.
    seed
        The same seed gives the same model.
    device
        "auto", "cpu", "cuda", "cuda:1" or "mps".
    """

    def __init__(
        self,
        tokenizer: Tokenization | None = None,
        *,
        preset: str = "quick",
        space: str | None = None,
        conditions: Sequence[str] | None = None,
        steps: int | None = None,
        tokenizer_steps: int | None = None,
        batch_size: int | None = None,
        options: Mapping[str, object] | None = None,
        seed: int = 0,
        device: str = "auto",
        name: str = "",
    ) -> None:
        if tokenizer is not None and not isinstance(tokenizer, Tokenization):
            raise InputError(
                f"A tokenization is chosen as genediff.tokenizers.Latent(n_tokens=8), not by {tokenizer!r}."
            )
        self.tokenization = tokenizer or Tokenization("latent")
        self.device = device
        self._choices: dict[str, Any] = {
            "preset": preset,
            "space": space,
            "conditions": conditions,
            "steps": steps,
            "tokenizer_steps": tokenizer_steps,
            "batch_size": batch_size,
            "options": options,
            "seed": seed,
            "title": name,
            "device": device,
        }
        self._network: GenerativeModel | None = None
        self._folder: Path | None = None

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> GeneDiff:
        """Read a model from its folder, or by its id in the user's workspace ("pbmc3k-quick" ships).

        Raises
        ------
        InputError
            When there is none, or its files are missing, damaged or do not belong together.
        """
        path = Path(folder)
        if not path.is_dir() and path.name == str(folder):
            path = Workspace().model_folder(path.name)
        network = load_model(path, device=device)
        run = network.spec.run
        choice = Tokenization(run.model.tokenizer, run.model.tokenizer_options, _knowledge(run), run.model.shuffled)
        model = cls(choice, preset=run.preset, seed=run.seed, device=device, name=network.spec.title)
        model._network, model._folder = network, path
        return model

    def __repr__(self) -> str:
        if self._network is None:
            return f"GeneDiff({self.tokenization!r}, preset={self._choices['preset']!r}; not fitted)"
        spec = self._network.spec
        conditions = ", ".join(f"{column} ({len(levels)} levels)" for column, levels in spec.levels.items())
        return (
            f"GeneDiff({self.tokenization!r}: {len(spec.genes):,} genes, trained on {spec.dataset_name!r}, "
            f"conditions: {conditions or 'none'})"
        )

    @property
    def network(self) -> GenerativeModel:
        """The trained torch module; InputError before `fit`."""
        if self._network is None:
            raise InputError("This model is not fitted; run `for step in model.fit(cells): ...` to its end first.")
        return self._network

    @property
    def genes(self) -> tuple[str, ...]:
        """The genes that are generated, in order."""
        return self.network.genes

    @property
    def conditions(self) -> dict[str, tuple[str, ...]]:
        """The columns that steer generation, with their levels in order."""
        return self.network.conditions

    def fit(self, cells: Cells) -> Iterator[TrainEvent]:
        """Train on the training cells, yielding an event per step: ``stage``, ``step``, ``total_steps``, ``loss``.

        ``loss`` is None in the first events, which say what is being prepared; ``validation`` is there after a look at
        validation cells. The model is fitted when the generator has come to its end; a loop that is left leaves it
        unfitted.

        Raises
        ------
        InputError
            When the choices do not fit the cells.
        """
        library = cells.workspace.library()
        run = build_run(cells.dataset.info, library, self.tokenization, **self._choices)
        with contextlib.ExitStack() as temporary:
            folder = Path(temporary.enter_context(tempfile.TemporaryDirectory(prefix="genediff-")))
            yield from train_model(run, cells.dataset, folder=folder, model_id=secrets.token_hex(6), library=library)
            self._network = load_model(folder / "model", device=self.device)
            self._folder = folder / "model"
            weakref.finalize(self, temporary.pop_all().close)

    def generate(
        self,
        n: int,
        *,
        label: str | None = None,
        conditions: Mapping[str, str] | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
        n_steps: int | None = None,
        seed: int = 0,
        precision: str = "auto",
        compiled: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> AnnData:
        """Generate cells.

        Parameters
        ----------
        n
            How many.
        label
            Of which level of a condition ("B"), where only one condition has it.
        conditions
            Level by column. Columns that are left out are drawn as they occur among the training cells.
        guidance, sampler, n_steps
            The model's own where None; a guidance above 1 gives more typical and less varied cells.
        seed
            The same seed gives the same cells, on the same kind of device.
        precision, compiled
            "auto" (32 bits), "bf16" or "fp32"; and whether the network is compiled first.
        progress
            Called with the number of cells done and of all.

        Returns
        -------
        AnnData
            Counts (log-normalised values for a model of such), conditions in obs, origin in ``uns["genediff"]``.
        """
        network = self.network
        fixed = dict(conditions or {})
        if label is not None:
            fixed[column_of(label, network.conditions)] = label
        request = GenerateRequest("", n, fixed, guidance, sampler, n_steps, seed, precision, compiled)
        return request.draw(network, progress=progress)

    def save(self, folder: str | Path) -> Path:
        """Write the model to a folder, which must be new or empty; `load` reads it."""
        _ = self.network
        assert self._folder is not None
        target = Path(folder)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"There is something in {target} already; give a folder that is new or empty.")
        with disk_errors(), draft(target) as partial:
            shutil.copytree(self._folder, partial)
        return target


def _knowledge(run: Any) -> dict[Any, str]:
    named = {"gene_sets": run.model.gene_sets, "network": run.model.network}
    return {kind: name for kind, name in named.items() if name is not None}
