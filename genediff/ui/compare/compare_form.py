"""What a comparison is asked for: rows, objective, budget, seeds; every choice stands in the address."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from genediff.comparison.comparison_plan import with_baselines
from genediff.comparison.config import BASELINE, ComparisonConfig, Entry, read_config, token_sweep
from genediff.models.config import SPACES, ModelConfig
from genediff.tokenizers import TOKENIZERS
from genediff.training.presets import PRESETS, preset_run
from genediff.ui.kit import forms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.data.cells.dataset_info import DatasetInfo

ROWS, TOKENS = "Strategies", "Number of tokens"
MINUTES, STEPS, PRESET = "Minutes each", "Steps each", "As the preset says"
_WHAT = {"strategies": ROWS, "tokens": TOKENS}
_BUDGETS = {"minutes": MINUTES, "steps": STEPS, "preset": PRESET}
_SPACES = {"own": "Each strategy's own", "latent": "Latent", "gene": "Gene", "counts": "Counts"}
_OBJECTIVES = {
    "preset": "As the preset says",
    "rectified_flow:velocity": "Rectified flow, velocity",
    "rectified_flow:data": "Rectified flow, data",
    "variance_preserving:noise": "DDPM, noise",
    "variance_preserving:velocity": "DDPM path, velocity",
}
_SWEPT = (2, 4, 8, 16, 32, 64, 128)


def ask(info: DatasetInfo) -> ComparisonConfig | None:
    """Draw the form and return the comparison it means; None (with a sentence on the page) where rows are missing."""
    what = _segments("What differs", _WHAT, key="cmp_what")
    entries = _tokens() if what == "tokens" else _rows(has_counts=info.has_counts)
    left, middle, right = st.columns(3)
    with left:
        limits = _budget(_BUDGETS[_segments("Budget", _BUDGETS, key="cmp_budget")])
    with middle:
        seeds = st.number_input("Seeds", 1, 20, 3, key="cmp_seeds", bind="query-params")
        st.caption("Each row is trained once per seed; differences are tested over at least three.")
    with right:
        sizes = {name: preset.title for name, preset in PRESETS.items() if not preset.strategies}
        preset = _select("Size", sizes, key="cmp_preset")
        objective = _select("Objective", _OBJECTIVES, key="cmp_objective")
        st.caption("In gene space the network always predicts the data.")
    name = st.text_input("Name", key="cmp_name", max_chars=80, placeholder="A name to find it by (may be left empty)")
    if not entries:
        st.info("Choose at least one row.")
        return None
    path, _, predict = ("" if objective == "preset" else objective).partition(":")
    return read_config(
        {
            "name": (name or "").strip(),
            "dataset_id": info.id,
            "entries": [entry.model_dump() for entry in entries],
            "preset": preset,
            "seeds": list(range(int(seeds))),
            "path": path or None,
            "predict": predict or None,
            **limits,
        }
    )


def _select(title: str, options: Mapping[str, str], *, key: str) -> str:
    forms.accept_ids(key, options, title=title)
    return st.selectbox(title, list(options), format_func=options.__getitem__, key=key, bind="query-params")


def _segments(title: str, options: Mapping[str, str], *, key: str) -> str:
    forms.accept_ids(key, options, title=title)
    first = next(iter(options))
    chosen = st.segmented_control(
        title, list(options), default=first, format_func=options.__getitem__, key=key, bind="query-params",
        required=True,
    )  # fmt: skip
    return chosen or first


def _pills(
    title: str, options: Mapping[Any, str], *, one: str, key: str, default: Sequence[Any], help: str = ""
) -> list[Any]:
    forms.accept_ids(key, options, title=one, many=True)
    return st.pills(
        title,
        list(options),
        selection_mode="multi",
        default=list(default),
        format_func=options.__getitem__,
        key=key,
        bind="query-params",
        help=help or None,
    )


def hyper_parameters(info: DatasetInfo, strategies: Sequence[str]) -> pd.DataFrame:
    """Return tokens, channels, width, layers, heads and steps of each size, and below each strategy what is allowed."""
    lines: list[dict[str, Any]] = []
    for name in strategies:
        kind = TOKENIZERS[name]
        for preset in PRESETS.values():
            if preset.strategies:
                continue
            run = preset_run(preset.name, info, strategy=name)
            options = {field.name: field.default for field in fields(kind.Config)} | run.model.tokenizer_options
            lines.append(
                {
                    "strategy": kind.title,
                    "size": preset.title,
                    "tokens": _number(options.get("n_tokens")),
                    "channels": _number(options.get("n_channels")),
                    "width": f"{run.model.width}",
                    "layers": f"{run.model.depth}",
                    "heads": f"{run.model.heads}",
                    "autoencoder steps": f"{run.train.tokenizer_steps:,}" if run.model.space == "latent" else "–",
                    "flow steps": f"{run.train.steps:,}",
                }
            )
        own, model = forms.options(kind.Config), forms.options(ModelConfig)
        lines.append(
            {
                "strategy": kind.title,
                "size": "allowed",
                "tokens": _range(own.get("n_tokens")),
                "channels": _range(own.get("n_channels")),
                "width": _range(model["width"]),
                "layers": _range(model["depth"]),
                "heads": _range(model["heads"]),
                "autoencoder steps": "",
                "flow steps": "",
            }
        )
    return pd.DataFrame(lines)


def _rows(*, has_counts: bool) -> tuple[Entry, ...]:
    titles = {name: kind.title for name, kind in TOKENIZERS.items()}
    chosen = _pills("Strategies", titles, one="strategy", key="cmp_strategies", default=list(titles))
    spaces = _pills(
        "Spaces",
        _SPACES,
        one="space",
        key="cmp_spaces",
        default=["own"],
        help=" ".join(f"{name.capitalize()}: {sentence}" for name, sentence in SPACES.items()),
    )
    controls = st.toggle("Shuffled controls", key="cmp_controls", bind="query-params")
    st.caption(
        "A control has the same sets or network with randomly permuted gene labels: a model that is no better than its "
        "control gives no evidence that the biological prior helps."
    )
    if chosen and BASELINE not in chosen and BASELINE in TOKENIZERS:
        st.caption(f":orange[Without “{TOKENIZERS[BASELINE].title}” there is nothing to measure improvements against.]")
    entries: dict[tuple[str, str, bool], Entry] = {}
    for name in chosen:
        kind = TOKENIZERS[name]
        for wanted in spaces or ["own"]:
            own = kind.default_space(has_counts=has_counts)
            space = own if wanted == "own" else wanted
            if space not in kind.spaces:
                continue
            for shuffled in (False, True) if controls and kind.needs else (False,):
                given = None if space == own else space
                entries.setdefault((name, space, shuffled), Entry(strategy=name, space=given, shuffled=shuffled))
    return with_baselines(tuple(entries.values()), has_counts=has_counts)


def _tokens() -> tuple[Entry, ...]:
    chosen = st.pills(
        "Latent tokens",
        list(_SWEPT),
        selection_mode="multi",
        default=[2, 4, 8, 16, 32],
        key="cmp_tokens",
        bind="query-params",
    )
    flat = st.toggle("With the MLP beside them", value=True, key="cmp_tokens_mlp", bind="query-params")
    st.caption("How many tokens are enough? Only the number of tokens differs; numbers per token stay the preset's.")
    entries = token_sweep("latent", tuple(sorted(chosen)))
    return (*entries, Entry(strategy=BASELINE)) if flat and entries and BASELINE in TOKENIZERS else entries


def _budget(kind: str) -> dict[str, Any]:
    if kind == MINUTES:
        minutes = st.number_input("Minutes", 0.1, 10_000.0, 5.0, step=1.0, key="cmp_minutes", bind="query-params")
        st.caption("Of training, for each model. Turned into steps below, so that every run can be repeated.")
        return {"minutes": float(minutes)}
    if kind == STEPS:
        steps = st.number_input("Steps", 2, 10_000_000, 3500, step=500, key="cmp_steps", bind="query-params")
        st.caption("Of both stages together, for each model; slower strategies then take longer.")
        return {"steps": int(steps)}
    st.caption("Each strategy is trained for as many steps as its preset takes.")
    return {}


def _number(value: object) -> str:
    return "by the data" if value is None else f"{value}"


def _range(option: forms.Option | None) -> str:
    if option is None:
        return "by the data"
    if option.low is None or option.high is None:
        return ""
    return f"{option.low:g} – {option.high:g}"
