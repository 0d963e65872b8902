"""The model library as one table: figures and configuration side by side, best figures marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from genediff.evaluation import METRICS
from genediff.tokenizers import TOKENIZERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas.io.formats.style import Styler

    from genediff.models.model_info import ModelInfo

SHOWN = ("c2st_pcs", "c2st_genes", "w2_debiased", "recall", "train_ratio", "tstr_f1")
MAIN = ("strategy", "space", "preset", "parameters", "training (s)")
_BEST = "font-weight: 700; background-color: rgba(0, 158, 115, 0.22)"


def heading(metric: str) -> str:
    """Return a figure's title with its direction: ↓ lower is better, ↑ higher is better, → the value to reach."""
    return METRICS[metric].heading


def figures(models: Sequence[ModelInfo]) -> pd.DataFrame:
    """Return one row per model (by id) with the headline figures of its evaluation; NaN where it was not judged."""
    rows = {info.id: {heading(m): info.metrics.get(m) for m in SHOWN} for info in models}
    return pd.DataFrame.from_dict(rows, orient="index").astype(float)


def facts(models: Sequence[ModelInfo]) -> pd.DataFrame:
    """Return one row per model (by id) with what it is and how it was trained, a column per option."""
    return pd.DataFrame.from_dict({info.id: _facts(info) for info in models}, orient="index")


def strategy_title(info: ModelInfo) -> str:
    """Return what a model's strategy is called; its bare name where this version does not know it."""
    return TOKENIZERS[info.strategy].title if info.strategy in TOKENIZERS else info.strategy


def varying(table: pd.DataFrame) -> list[str]:
    """Return the columns in which rows differ."""
    return [column for column in table if table[column].astype(str).nunique() > 1]


def best(table: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Return which figures are the best of their data set, bool of the same shape as `table`.

    Parameters
    ----------
    table
        From `figures`.
    groups
        The data set of each row: figures on different cells cannot be compared. A lone model is not marked.
    """
    marks = pd.DataFrame(False, index=table.index, columns=table.columns)
    for metric in SHOWN:
        column = heading(metric)
        if column not in table:
            continue
        for _, values in table[column].map(METRICS[metric].cost).groupby(groups):
            judged = values.dropna()
            if len(judged) > 1:
                marks.loc[judged[judged == judged.min()].index, column] = True
    return marks


def styled(table: pd.DataFrame, marks: pd.DataFrame) -> Styler:
    """Return a table with the best figures in bold on green, and each figure with its own number of digits."""
    words: dict[Any, Any] = {heading(m): METRICS[m].text for m in SHOWN if heading(m) in table}
    css = marks.reindex(index=table.index, columns=table.columns, fill_value=False).map(lambda on: _BEST if on else "")
    return table.style.apply(lambda _: css, axis=None).format(words, na_rep="–")


def _facts(info: ModelInfo) -> dict[str, object]:
    config = info.config
    options = config.model.model_dump()
    tokens = options.pop("tokenizer_options")
    known = {what: info.knowledge.get(what, options[what]) for what in ("gene_sets", "network")}
    row: dict[str, object] = {
        "strategy": strategy_title(info),
        "preset": info.preset,
        "parameters": info.n_parameters,
        "genes": info.n_genes,
        "training (s)": info.trained.get("seconds"),
        "device": info.trained.get("device"),
        **{f"tokens: {name}": value for name, value in tokens.items()},
        **{name.replace("_", " "): value for name, value in {**options, **known}.items() if name != "tokenizer"},
        **{name.replace("_", " "): value for name, value in config.train.model_dump().items()},
        **{f"sampling: {name}".replace("_", " "): value for name, value in config.sample.model_dump().items()},
        "seed": config.seed,
        "precision": config.precision,
    }
    return {name: ", ".join(value) if isinstance(value, tuple) else value for name, value in row.items()}
