"""Opinions on each tokenization, kept apart from what is counted and measured; new strategies have none yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Opinion:
    """In a few words each; grades are low, medium or high."""

    keeps: str
    destroys: str
    interpretability: str
    biology: str
    transfer: str
    best_for: str


OPINIONS: dict[str, Opinion] = {
    "latent": Opinion(
        keeps="everything that varies together across cells, in few numbers",
        destroys="names: no number stands for a gene or a process, and another seed gives other numbers",
        interpretability="low",
        biology="none built in",
        transfer="low: tied to its genes and its cells",
        best_for="realistic cells in large numbers",
    ),
    "pathway": Opinion(
        keeps="known processes, one named token each",
        destroys="differences between genes of one set that never occur apart, and names for genes in no set",
        interpretability="high",
        biology="gene sets",
        transfer="medium: the same sets exist in other data",
        best_for="clinical questions: which processes differ between patients or states",
    ),
    "grn": Opinion(
        keeps="every gene as a token, and its known regulators",
        destroys="influences without an edge in the network: genes without a regulator are independent of all others",
        interpretability="high",
        biology="regulatory network",
        transfer="medium: as far as the network holds there",
        best_for="perturbations: following an effect from regulator to target",
    ),
    "rank": Opinion(
        keeps="the order of the highest genes, whatever the depth of sequencing",
        destroys="genes beyond the last rank, and how far apart neighbours in the order are",
        interpretability="medium",
        biology="none built in",
        transfer="high: an order means the same in other data",
        best_for="cells from many studies, batches and depths",
    ),
    "latent_pathway": Opinion(
        keeps="known processes by name, and the rest in latent tokens",
        destroys="names for everything: how much each part explains has to be checked",
        interpretability="medium to high",
        biology="gene sets",
        transfer="medium",
        best_for="readable and faithful at once",
    ),
    "grn_latent": Opinion(
        keeps="what the network carries, compressed into few tokens",
        destroys="paths of single regulators: genes are mixed in the tokens",
        interpretability="medium",
        biology="regulatory network",
        transfer="medium",
        best_for="a network prior at the cost of a small model",
    ),
    "mlp": Opinion(
        keeps="everything that helps to generate such cells",
        destroys="all structure: one vector, no tokens, no attention",
        interpretability="none",
        biology="none built in",
        transfer="low",
        best_for="the baseline that all others have to beat",
    ),
}
