"""Which cut for which question: a small tree of questions that ends in a strategy and a preset. Opinions, not laws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Advice:
    """Where a path ends: a strategy, a preset, why, and further parts of the Train page's address."""

    strategy: str
    preset: str
    why: str
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """A question with its id, what helps to answer it, and what each answer leads to."""

    id: str
    text: str
    help: str
    answers: Mapping[str, Question | Advice]


_COMPUTE = "A laptop or a few CPU cores", "A GPU, or a night"

_SETS = Question(
    "sets",
    "Do known gene sets cover your genes?",
    "The line below says how far Hallmark does on the chosen data.",
    {
        "Well enough": Question(
            "faithful",
            "Must the cells be as faithful as they can be, too?",
            "What no gene set can say needs tokens without a name.",
            {
                "Names come first": Advice(
                    "pathway", "quick", "Every token is a process with a name, and nothing else speaks for its genes."
                ),
                "Both": Advice(
                    "latent_pathway", "quick", "Named tokens for known processes, free ones for the rest of the cell."
                ),
            },
        ),
        "Hardly": Advice(
            "pathway",
            "quick",
            "Modules found in your own cells fit any genes; they are named after known sets where these match.",
            {"gene_sets": "nmf"},
        ),
    },
)

_REGULATORS = Question(
    "regulators",
    "Are regulators of your genes known, and among the genes?",
    "The line below says how many genes have a regulator in CollecTRI on the chosen data.",
    {
        "Yes": Question(
            "network_compute",
            "How much computing can you spend?",
            "A token per gene makes long sequences, though they attend along few edges.",
            {
                _COMPUTE[0]: Advice(
                    "grn_latent", "quick", "The network shapes how genes are read and written, but few tokens attend."
                ),
                _COMPUTE[1]: Advice(
                    "grn", "standard", "Every influence runs along an edge with two names, so effects can be followed."
                ),
            },
        ),
        "Few or none": Advice(
            "grn",
            "quick",
            "Edges inferred from your own cells: they say what varies together, so read them as hypotheses.",
            {"network": "inferred"},
        ),
    },
)

_SCALE = Question(
    "data",
    "What are your data like?",
    "Depth and batch change counts; the order of a cell's genes changes less.",
    {
        "One study": Question(
            "compute",
            "How much computing can you spend?",
            "Quick takes minutes on a laptop; standard is for a GPU or a night.",
            {
                _COMPUTE[0]: Advice("latent", "quick", "Few tokens, little attention, and the most faithful cells."),
                _COMPUTE[1]: Advice("latent", "standard", "The same tokenization, larger."),
            },
        ),
        "Many studies or depths": Advice(
            "rank", "quick", "An order of genes means the same at any depth, and in another study."
        ),
        "I want the baseline first": Advice("mlp", "quick", "No tokens: the baseline to outperform."),
    },
)

ROOT = Question(
    "readable",
    "Must you be able to read what a token means?",
    "Readable tokens cost some faithfulness: biology is put in as a constraint.",
    {
        "Yes": Question(
            "purpose",
            "What will you read it for?",
            "Processes are read set by set, effects of a gene edge by edge.",
            {"Clinical: processes and states": _SETS, "Perturbation: which gene acts on which": _REGULATORS},
        ),
        "No, faithful cells come first": _SCALE,
    },
)


def advice(node: Question | Advice = ROOT) -> Iterator[Advice]:
    """Return every end of the tree, from the first answer to the last."""
    if isinstance(node, Advice):
        yield node
        return
    for following in node.answers.values():
        yield from advice(following)


def questions(node: Question | Advice = ROOT) -> Iterator[Question]:
    """Return every question of the tree, parents first."""
    if isinstance(node, Question):
        yield node
        for following in node.answers.values():
            yield from questions(following)
