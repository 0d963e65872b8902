"""GeneDiff: diffusion models of single cells under different tokenizations.

The names below are the library's public face. They are loaded when they are first used, so that importing the package
is quick and does nothing else.

>>> import genediff as gd
>>> cells = gd.read_h5ad("cells.h5ad", label="cell_type")
>>> model = gd.GeneDiff(gd.tokenizers.Pathway(gene_sets="hallmark"))
>>> for step in model.fit(cells):
...     print(step.loss)
>>> generated = model.generate(500, label="B")  # AnnData
>>> gd.evaluate(generated, cells)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from genediff.api.public import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name != "__all__":
        raise AttributeError(name)
    from genediff.api import public

    if name != "__all__" and name not in public.__all__:
        raise AttributeError(f"genediff has no {name!r}; its public names are in genediff.__all__")
    return getattr(public, name)


def __dir__() -> list[str]:
    from genediff.api import public

    return sorted([*globals(), *public.__all__])
