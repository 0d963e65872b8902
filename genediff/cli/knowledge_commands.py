"""Commands for gene sets and networks."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Any, cast

import typer

from genediff.cli.options import AS_JSON, make_group, print_json, print_table, progress_bar, workspace
from genediff.core.errors import InputError

if TYPE_CHECKING:
    from genediff.knowledge.download import Provider
    from genediff.knowledge.library import Kind

knowledge = make_group("List, add and look at gene sets and networks; find modules and networks in cells.")
DATASET = typer.Argument(..., help="Id of a data set.", show_default=False)
SEED = typer.Option(0, help="The same seed gives the same result.")
TITLE = typer.Option("", help="What it is called.")
_UNITS = {"gene_sets": "sets", "network": "edges", "embedding": "numbers"}
_KINDS = {"gene-sets": "gene_sets", "network": "network", "embedding": "embedding"}


@knowledge.command("list")
def list_all(as_json: bool = AS_JSON) -> None:
    """List the gene sets and networks: those that ship with GeneDiff and your own."""
    from dataclasses import asdict

    found = workspace().library().list()
    if as_json:
        print_json([asdict(item) for item in found])
        return
    rows = [
        (item.id, item.title, f"{item.n:,} {_UNITS[item.kind]}", f"{item.n_genes:,}",
         item.licence or None, "shipped" if item.shipped else "own")
        for item in found
    ]  # fmt: skip
    print_table(("id", "title", "holds", "genes", "licence", ""), rows, empty="There is nothing yet.")


@knowledge.command()
def add(
    file: Path = typer.Argument(..., help="A .gmt file, a network, or an embedding (table, .npz).", show_default=False),
    kind: str = typer.Option("", help="gene-sets, network or embedding; told by the file unless given."),
    title: str = TITLE,
    source: str = typer.Option("", help="Where it comes from; the file's name unless given."),
    licence: str = typer.Option("", help="The licence under which it may be used."),
    source_column: str = typer.Option("", help="Column of a table that names the regulator."),
    target_column: str = typer.Option("", help="Column of a table that names the gene acted on."),
    weight_column: str = typer.Option("", help="Column of a table with the strength of the edge."),
    sign_column: str = typer.Option("", help="Column of a table that says activation or repression (1, -1)."),
    names: Path | None = typer.Option(None, help="Table of ids and symbols, such as STRING's protein.info file."),
    string_score: int = typer.Option(700, min=0, max=1000, help="Pairs of STRING below this score are left out."),
) -> None:
    """Add gene sets or a network from a file; say what it was taken for, and what was left out."""
    from genediff.knowledge.add_file import add_file

    if kind and kind not in _KINDS:
        raise InputError(f"--kind is gene-sets, network or embedding, not '{kind}'.")
    told = {"source": source_column, "target": target_column, "weight": weight_column, "sign": sign_column}
    library = workspace().library()
    added = add_file(
        library, file, kind=cast("Kind", _KINDS[kind]) if kind else None, title=title, source=source, licence=licence,
        columns=told if any(told.values()) else None, names=names, string_score=string_score,
    )  # fmt: skip
    item = library.item(added.id)
    typer.echo(f"Read as {added.format}: {added.reason}.")
    for note in added.notes:
        typer.echo(f"- {note}")
    typer.echo(f"'{item.title}' is in the library as {item.id}: {_holds(item)}.")


@knowledge.command()
def coverage(
    dataset: str = DATASET,
    ids: list[str] = typer.Argument(None, help="Ids of gene sets and networks; all unless given.", show_default=False),
    as_json: bool = AS_JSON,
) -> None:
    """Say how much gene sets and networks know of the genes of a data set."""
    from dataclasses import asdict

    genes, library = workspace().open_dataset(dataset).genes, workspace().library()
    items = [library.item(wanted) for wanted in ids] if ids else library.list()
    items = [item for item in items if item.kind != "embedding"]
    found: list[tuple[str, Any]] = [
        (item.id, library.gene_sets(item.id).coverage(genes) if item.kind == "gene_sets"
         else library.network(item.id).coverage(genes))
        for item in items
    ]  # fmt: skip
    if as_json:
        print_json([{"id": wanted, **asdict(said)} for wanted, said in found])
        return
    for wanted, said in found:
        typer.echo(f"{wanted}: {said.sentence}")


@knowledge.command()
def infer(
    dataset: str = DATASET,
    edges: int = typer.Option(5000, min=1, help="How many of the strongest edges are kept."),
    prior: str = typer.Option("", help="Id of a known network to which the edges are added."),
    title: str = TITLE,
    seed: int = SEED,
) -> None:
    """Infer a network from the training cells of a data set, and keep it."""
    wanted = f"{prior}+inferred:{edges}" if prior else f"inferred:{edges}"
    _compute(dataset, "Inferring a network", title, seed, network=wanted)


@knowledge.command()
def nmf(
    dataset: str = DATASET,
    modules: int = typer.Option(30, help="How many modules."),
    title: str = TITLE,
    seed: int = SEED,
) -> None:
    """Find modules of genes in the training cells of a data set, and keep them as gene sets."""
    _compute(dataset, "Finding modules", title, seed, gene_sets=f"nmf:{modules}")


@knowledge.command()
def download(
    name: str = typer.Argument(..., help="Such as KEGG_2021_Human (Enrichr), c2.cp.wikipathways (MSigDB).",
                               show_default=False),
    provider: str = typer.Option("enrichr", help="enrichr or msigdb."),
    version: str = typer.Option("2024.1.Hs", help="Version of MSigDB."),
    organism: str = typer.Option("Human", help="Organism of Enrichr."),
    timeout: float = typer.Option(20.0, min=1, help="Seconds to wait for an answer."),
) -> None:  # fmt: skip
    """Download gene sets and keep them; offline it says so at once."""
    from genediff.knowledge.download import download_gene_sets

    library = workspace().library()
    with progress_bar("Downloading") as report:
        found = download_gene_sets(
            library, name, provider=cast("Provider", provider), version=version, organism=organism, timeout=timeout,
            progress=report,
        )  # fmt: skip
    typer.echo(f"'{name}' is in the library as {found}: {_holds(library.item(found))}.")


@knowledge.command()
def delete(wanted: str = typer.Argument(..., metavar="ID", help="Id of one of your own.", show_default=False)) -> None:
    """Delete one of your own gene sets or networks; models built on it keep theirs."""
    workspace().library().delete(wanted)
    typer.echo(f"Deleted {wanted}; `knowledge restore {wanted}` brings it back.")


@knowledge.command()
def restore(wanted: str = typer.Argument(..., metavar="ID", help="What was deleted.", show_default=False)) -> None:
    """Bring back what was deleted last under an id."""
    workspace().library().restore(wanted)
    typer.echo(f"{wanted} is back.")


def _compute(
    dataset_id: str, what: str, title: str, seed: int, *, gene_sets: str | None = None, network: str | None = None
) -> None:
    from dataclasses import replace

    from genediff.knowledge import resolve_knowledge

    dataset, library = workspace().open_dataset(dataset_id), workspace().library()
    with progress_bar(what) as report:
        found = resolve_knowledge(
            library, gene_sets=gene_sets, network=network, genes=dataset.genes, x=lambda: dataset.x("train"),
            seed=seed, progress=report,
        )  # fmt: skip
    if found.gene_sets is not None:
        sets = replace(found.gene_sets, title=title or f"{found.gene_sets.title} ({dataset.info.name})")
        kept = library.add_gene_sets(sets)
        for name, said in sets.descriptions.items():
            typer.echo(f"- {name}: {len(sets.sets[name])} genes. {said}")
    else:
        assert found.network is not None
        net = replace(found.network, title=title or f"{found.network.title} ({dataset.info.name})")
        kept = library.add_network(net)
        if "provenance" in net.edges:
            counts = net.edges["provenance"].value_counts()
            said = ", ".join(f"{counts.get(key, 0):,} {key}" for key in ("prior", "data", "both"))
            typer.echo(f"Edges: {said}.")
    item = library.item(kept)
    typer.echo(f"'{item.title}' is in the library as {kept}: {_holds(item)}.")


def _holds(item: Any) -> str:
    return f"{item.n:,} {_UNITS[item.kind]} of {item.n_genes:,} genes"
