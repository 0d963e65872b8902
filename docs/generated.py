"""Parts of the documentation that are written from the code, so that they cannot differ from it."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

import typer

from genediff.cli import app
from genediff.core.installation import ASSETS
from genediff.tokenizers import TOKENIZERS
from genediff.training.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write(folder: Path) -> None:
    """Write all parts into a folder; a file that would stay as it is is not touched."""
    folder.mkdir(exist_ok=True)
    parts = {"strategies": strategies(), "presets": presets(), "commands": commands(), "glossary": glossary()}
    parts |= {f"options-{name}": options(name) for name in TOKENIZERS}
    for name, text in parts.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def strategies() -> str:
    """Return the table of strategies, in the order of the app."""
    lines = ["| strategy | in a notebook | needs | in short | reference |", "| --- | --- | --- | --- | --- |"]
    for name, strategy in TOKENIZERS.items():
        needs = ", ".join(need.replace("_", " ") for need in strategy.needs) or "–"
        doi = strategy.reference.removeprefix("doi:")
        lines.append(
            f"| [{strategy.title}](/explanation/strategy-{name}.md) | `gd.tokenizers.{strategy.__name__}` | {needs} | "
            f"{strategy.sentence} | [{doi}](https://doi.org/{doi}) |"
        )
    return "\n".join(lines) + "\n"


def options(name: str) -> str:
    """Return the table of a strategy's options."""
    lines = ["| option | default | meaning |", "| --- | --- | --- |"]
    for one in fields(TOKENIZERS[name].Config):
        lines.append(f"| `{one.name}` | `{one.default}` | {one.metadata.get('help', '')} |")
    return "\n".join(lines) + "\n"


def presets() -> str:
    """Return the table of presets, with the sizes that they have for latent tokens."""
    lines = ["| preset | tokens × channels | backbone, width × layers | in short |", "| --- | --- | --- | --- |"]
    for name, preset in PRESETS.items():
        model = preset.model
        latent = TOKENIZERS[model.tokenizer].Config(**model.tokenizer_options)
        lines.append(
            f"| `{name}` | {latent.n_tokens} × {latent.n_channels} | {model.backbone.upper()} {model.width} × "
            f"{model.depth} | {preset.sentence} |"
        )
    return "\n".join(lines) + "\n"


def glossary() -> str:
    """Return the terms of assets/glossary.json, which the app shows too."""
    terms = json.loads((ASSETS / "glossary.json").read_text(encoding="utf-8"))
    entries = "\n\n".join(f"{term}\n  {terms[term]['text']}" for term in sorted(terms, key=str.lower))
    return f"```{{glossary}}\n{entries}\n```\n"


def commands() -> str:
    """Return the help of every command."""
    found = list(_commands(typer.main.get_command(app), "genediff"))
    return "\n".join(f"## {name}\n\n```text\n{text}\n```\n" for name, text in found)


def _commands(command: typer.core.TyperGroup | object, name: str) -> Iterator[tuple[str, str]]:
    context = command.make_context(name, [], resilient_parsing=True)  # type: ignore[attr-defined]
    inner = getattr(command, "commands", {})
    if not inner:
        yield name, "\n".join(_help(command, context))
    for word, one in inner.items():
        yield from _commands(one, f"{name} {word}")


def _help(command: object, context: object) -> Iterator[str]:
    yield command.get_usage(context)  # type: ignore[attr-defined]
    yield ""
    yield (command.help or "").strip()  # type: ignore[attr-defined]
    rows = [row for one in command.params if (row := one.get_help_record(context))]  # type: ignore[attr-defined]
    for option, meaning in rows:
        yield f"\n  {option}\n      {meaning}"
