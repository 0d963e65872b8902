"""From what a user asks for to the configuration of a run: the same for the command line and the library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError
from genediff.knowledge import add_file, check_spec
from genediff.runs import KINDS
from genediff.tokenizers import TOKENIZERS
from genediff.training.presets import preset_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from genediff.data.cells.dataset_info import DatasetInfo
    from genediff.knowledge import Library
    from genediff.models.config import RunConfig
    from genediff.tokenizers.choice import Need, Tokenization


def build_run(
    info: DatasetInfo,
    library: Library,
    tokenization: Tokenization,
    *,
    preset: str = "quick",
    conditions: Sequence[str] | None = None,
    space: str | None = None,
    steps: int | None = None,
    tokenizer_steps: int | None = None,
    batch_size: int | None = None,
    options: Mapping[str, object] | None = None,
    seed: int = 0,
    title: str = "",
    device: str = "auto",
    added: Callable[[str], None] = lambda sentence: None,
) -> RunConfig:
    """Return the run that a preset means for a data set and a tokenization, with what is asked for changed.

    Parameters
    ----------
    conditions
        Columns of obs that steer generation; the label where None.
    space
        "latent", "gene" or "counts"; the strategy's usual one where None.
    steps, tokenizer_steps, batch_size
        Of the flow, of the autoencoder, cells per step; the preset's where None.
    options
        Any other field of a `RunConfig` by its path, such as ``{"train.ema": 0.99, "sample.n_steps": 20}``.
    added
        Told in a sentence of a file that was put into the library.

    Raises
    ------
    InputError
        For a preset, strategy, option or knowledge that does not exist, or a value that an option cannot have.
    """
    run = preset_run(
        preset,
        info,
        strategy=tokenization.strategy,
        space=space,
        conditions=None if conditions is None else tuple(conditions),
        seed=seed,
        title=title,
    )
    run = _on_knowledge(run, library, tokenization, added)
    plain = {"train.steps": steps, "train.tokenizer_steps": tokenizer_steps, "train.batch_size": batch_size}
    changes = {f"model.tokenizer_options.{name}": value for name, value in tokenization.options.items()}
    changes |= {path: value for path, value in plain.items() if value is not None}
    return _checked(run, {**changes, "device": device, **(options or {})})


def _on_knowledge(
    run: RunConfig, library: Library, tokenization: Tokenization, added: Callable[[str], None]
) -> RunConfig:
    """Return the run on the named knowledge; files are put into the library, and unknown names fail here."""
    strategy = TOKENIZERS[run.model.tokenizer]
    if unused := [need for need in tokenization.knowledge if need not in strategy.needs]:
        raise InputError(
            f"{strategy.title} use no {unused[0].replace('_', ' ')}; leave it out or choose another tokenization."
        )
    if tokenization.shuffled and not strategy.needs:
        raise InputError(f"{strategy.title} are built on no knowledge, so there is nothing to shuffle.")
    named = {need: _in_library(library, given, need, added) for need, given in tokenization.knowledge.items()}
    run = _checked(run, {f"model.{need}": wanted for need, wanted in named.items()})
    run = _checked(run, {"model.shuffled": tokenization.shuffled})
    check_spec(library, gene_sets=run.model.gene_sets, network=run.model.network)
    return run


def _in_library(library: Library, given: str, kind: Need, added: Callable[[str], None]) -> str:
    """Return the id of what is in the library, or of a file that is put there now."""
    if not Path(given).is_file():
        return given
    found = add_file(library, given, kind=kind)
    added(f"{Path(given).name} is in the library as {found.id}: {found.format}, since {found.reason}.")
    return found.id


def _checked(run: RunConfig, changes: Mapping[str, object]) -> RunConfig:
    """Return the configuration with options changed by their path, checked as a whole."""
    content = run.model_dump(mode="json")
    for path, value in changes.items():
        *rooms, name = path.split(".")
        place: Any = content
        for room in rooms:
            place = place.get(room) if isinstance(place, dict) else None
        if not isinstance(place, dict) or (rooms[-1:] != ["tokenizer_options"] and name not in place):
            raise InputError(
                f"There is no option {path!r}; options are named as in a model's configuration, such as model.depth, "
                "train.ema or sample.n_steps (python -m genediff models show)."
            )
        place[name] = value
    changed: RunConfig = KINDS["train"].read_config(content)
    return changed
