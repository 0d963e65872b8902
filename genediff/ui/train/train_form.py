"""What the Train page asks: a strategy, a preset, conditions, and every other option folded away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st
from pydantic import ValidationError

from genediff.comparison.measured_spaces import measured_in_spaces
from genediff.core.errors import InputError
from genediff.models.config import SPACE_NAMES, SPACES, ModelConfig, RunConfig, SampleConfig, TrainConfig
from genediff.tokenizers import TOKENIZERS, TokenizerConfig
from genediff.training.presets import PRESETS, Preset, preset_run
from genediff.ui.kit import caching, explain, forms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from genediff.data.cells.dataset_info import DatasetInfo


@dataclass(frozen=True)
class Group:
    """Options that belong together, and the sentence that says what they decide."""

    title: str
    sentence: str
    part: str
    names: tuple[str, ...]


GROUPS = (
    Group(
        "Backbone",
        "The denoising network: larger ones fit better and take longer.",
        "model",
        ("backbone", "width", "depth", "heads", "patch"),
    ),
    Group(
        "Diffusion and counts",
        "The path from noise to data, what the network predicts, and the likelihood of the counts.",
        "model",
        ("path", "predict", "times", "guidance", "likelihood", "ambient"),
    ),
    Group(
        "Length of training",
        "Steps of each stage, and early stopping.",
        "train",
        ("tokenizer_steps", "steps", "tokenizer_batch_size", "batch_size", "validate_every", "patience"),
    ),
    Group(
        "Optimiser",
        "Learning rates and averaging of weights; the preset's values rarely need changing.",
        "train",
        (
            "tokenizer_learning_rate",
            "learning_rate",
            "weight_decay",
            "warmup",
            "clip",
            "ema",
            "drop_condition",
            "checkpoint_seconds",
        ),
    ),
    Group(
        "Sampling",
        "Defaults of the Generate page and the evaluation; can be changed after training.",
        "sample",
        ("sampler", "n_steps", "guidance"),
    ),
    Group(
        "This run",
        "Name, device, and the seed that makes the run reproducible.",
        "run",
        ("name", "seed", "device", "precision"),
    ),
    Group(
        "Several GPUs",
        "Data-parallel training; model and loss curve stay those of one device.",
        "run",
        ("devices", "accumulate", "strategy"),
    ),
)
_PLACES = {
    "quick": "to start with, on a laptop",
    "standard": "for a GPU, or overnight on a CPU",
    "large": "for atlases, on a GPU",
}
_CONFIGS: dict[str, type] = {"model": ModelConfig, "train": TrainConfig, "sample": SampleConfig, "run": RunConfig}


def strategy_cards() -> str:
    """Let the reader choose the tokenization; returns the strategy's name."""
    names = list(TOKENIZERS)
    words = {name: (TOKENIZERS[name].title, TOKENIZERS[name].sentence) for name in names}
    return _cards("strategy", words, columns=min(max(len(names), 2), 3))


def preset_cards(strategy: str) -> Preset:
    """Let the reader choose the size of the model among the presets for a strategy; returns the preset."""
    words = {
        name: (preset.title, _size(preset, strategy))
        for name, preset in PRESETS.items()
        if not preset.strategies or strategy in preset.strategies
    }
    return PRESETS[_cards("preset", words, columns=3)]


def _size(preset: Preset, strategy: str) -> str:
    """Return what a preset means for a strategy: its own sentence speaks of latent tokens."""
    if strategy == "latent" or preset.name not in _PLACES:
        return preset.sentence
    own = TOKENIZERS[strategy].presets.get(preset.name, {}).get("model", {})
    width, depth = own.get("width", preset.model.width), own.get("depth", preset.model.depth)
    return f"{depth} layers of {width}: {_PLACES[preset.name]}."


def space(info: DatasetInfo, strategy: str) -> str:
    """Let the reader choose where the flow runs; proposed is the strategy's own space."""
    kind = TOKENIZERS[strategy]
    own = kind.default_space(has_counts=info.has_counts)
    offered = [name for name in SPACES if name in kind.spaces and (info.has_counts or name != "counts")]
    chosen: str = st.segmented_control(
        "Space",
        offered,
        default=own,
        required=True,
        format_func=lambda name: f"{name.capitalize()} (default)" if name == own else name.capitalize(),
        key=f"space-{strategy}",
    )
    missing = "" if info.has_counts else " These data hold no counts, so there is no count space."
    st.caption(
        f"{SPACE_NAMES[chosen].capitalize()}: {SPACES[chosen]}{missing} "
        f"{explain.plain(measured_in_spaces(strategy, offered, caching.workspace()) or '')}"
    )
    return chosen


def conditions(info: DatasetInfo) -> tuple[str, ...]:
    """Let the reader choose the columns that steer generation; the label is proposed."""
    offered = list(dict.fromkeys([*([info.label] if info.label else []), *info.conditions]))
    if not offered:
        st.caption("This data set has no label or condition column, so the model is unconditional.")
        return ()
    default = [info.label] if info.label else []
    chosen = st.multiselect(
        "Conditions",
        offered,
        default=default,
        key="conditions",
        bind="query-params",
        placeholder="None: unconditional",
    )
    st.caption(
        "Variables that generation can be conditioned on, such as the cell type. Each can be left open when generating."
    )
    return tuple(chosen)


def options(preset: Preset, base: RunConfig) -> RunConfig:
    """Draw every other option, folded away, and return the run they mean.

    Parameters
    ----------
    preset
        Names the widgets, together with the strategy: another preset must not show this one's values.
    base
        What the preset alone means, from `start`.

    Raises
    ------
    InputError
        When an option has a value that it cannot have.
    """
    chosen: dict[str, dict[str, Any]] = {"model": {}, "train": {}, "sample": {}, "run": {}}
    strategy = base.model.tokenizer
    key = preset.name if strategy == next(iter(TOKENIZERS)) else f"{preset.name}-{strategy}"
    key += f"-{base.model.space}" if base.model.space != "latent" else ""
    tokens, start = TOKENIZERS[strategy], base.model.tokenizer_options
    with st.expander("All options (set by the preset)", icon=":material/tune:"):
        tabs = st.tabs(["Tokens", *(group.title for group in GROUPS)])
        with tabs[0]:
            st.caption(f"Options of “{tokens.title}”. {tokens.sentence}")
            shared = forms.options(TokenizerConfig)
            names = sorted(forms.options(tokens.Config), key=shared.__contains__)  # the strategy's own first
            drawn = forms.fields(tokens.Config, start, names, key=f"{key}-tokens", columns=3)
        for tab, group in zip(tabs[1:], GROUPS, strict=True):
            part = base if group.part == "run" else getattr(base, group.part)
            with tab:
                st.caption(group.sentence)
                config = _CONFIGS[group.part]
                chosen[group.part] |= forms.fields(config, part, group.names, key=f"{key}-{group.part}", columns=3)
    token_options = {**start, **_changed(drawn, start, tokens.Config)}
    chosen["model"] |= {"tokenizer_options": token_options}
    return _assemble(base, chosen)


def start(
    dataset: DatasetInfo, preset: Preset, strategy: str, space: str, columns: Sequence[str], known: Mapping[str, Any]
) -> RunConfig:
    """Return the run that the preset alone means.

    Parameters
    ----------
    columns
        The obs columns that steer generation.
    known
        Fields of ``ModelConfig`` that say what the strategy is built on: gene sets, network, shuffled.
    """
    words = TOKENIZERS[strategy].title.split("(")[0].strip().lower()
    title = f"{dataset.name}, {preset.title.lower()}, {words}"
    run = preset_run(preset.name, dataset, strategy=strategy, space=space, conditions=tuple(columns), title=title)
    return run.model_copy(update={"model": run.model.model_copy(update=dict(known))})


def _assemble(base: RunConfig, chosen: Mapping[str, Mapping[str, Any]]) -> RunConfig:
    content = base.model_dump()
    for part in ("model", "train", "sample"):
        content[part] = {**content[part], **chosen[part]}
    content |= chosen["run"]
    try:
        return RunConfig.model_validate(content)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = str(first["loc"][-1]).replace("_", " ")
        raise InputError(f"The option “{where}” cannot be {first['input']!r}: {first['msg'].lower()}.") from None


def _changed(drawn: Mapping[str, Any], start: Mapping[str, Any], config: type) -> dict[str, Any]:
    """Return the options that differ from what the strategy would take by itself: configs stay short."""
    defaults = {name: option.default for name, option in forms.options(config).items()}
    return {name: value for name, value in drawn.items() if name in start or value != defaults[name]}


def _cards(key: str, words: Mapping[str, tuple[str, str]], *, columns: int) -> str:
    """Draw one card per choice and return the chosen one, which stands in the address."""
    names = list(words)
    chosen = st.query_params.get(key, st.session_state.get(key, names[0]))
    if chosen not in words:
        st.warning(f"There is no {key} “{explain.plain(chosen)}”; “{words[names[0]][0]}” is shown instead.")
        chosen = names[0]
    st.session_state[key] = chosen
    places: list[Any] = []
    for position, name in enumerate(names):
        if position % columns == 0:
            places = st.columns(columns)
        title, sentence = words[name]
        with places[position % columns], st.container(border=True, key=f"card-{key}-{name}", height="stretch"):
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                st.markdown(f"**{title}**", width="content")
                st.button(
                    "Chosen" if name == chosen else "Choose",
                    key=f"choose-{key}-{name}",
                    icon=":material/check:" if name == chosen else None,
                    type="primary" if name == chosen else "secondary",
                    on_click=_choose(key, name),
                )
            st.caption(sentence)
    return chosen


def _choose(key: str, name: str) -> Callable[[], None]:
    def choose() -> None:
        st.session_state[key] = name
        st.query_params[key] = name

    return choose
