"""How fast each row of a comparison trains on this machine: measured once, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.comparison.comparison_plan import Throughput, base_run, title_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.comparison.config import ComparisonConfig
    from genediff.data.cells.dataset import Dataset
    from genediff.knowledge import Library


def measure_throughput(
    config: ComparisonConfig,
    dataset: Dataset,
    library: Library,
    *,
    progress: Callable[[float, str], None] = lambda share, what: None,
) -> dict[str, Throughput]:
    """Return the throughput of every row, by the key of its entry; a few steps of each stage are timed.

    A shuffled control has the size of what it shuffles, so both share one measurement: the same budget in minutes then
    means the same number of steps.

    Raises
    ------
    InputError
        When a row cannot be built.
    """
    from genediff.knowledge.knowledge_spec import stand_in
    from genediff.training.estimate import estimate

    throughputs: dict[str, Throughput] = {}
    by_run: dict[str, Throughput] = {}
    for number, entry in enumerate(config.entries):
        progress(number / len(config.entries), title_of(entry))
        run = base_run(config, entry, dataset.info)
        model = run.model.model_copy(update={"shuffled": False})
        same = run.model_copy(update={"model": model}).model_dump_json()
        if same not in by_run:
            genes = dataset.genes
            known = stand_in(library, gene_sets=model.gene_sets, network=model.network, genes=genes)
            levels = {column: len(dataset.vocabulary(column)) for column in model.conditions}
            timed = estimate(run, dataset.info, genes=genes, knowledge=known, levels=levels)
            by_run[same] = Throughput(*timed.step_seconds, start=timed.start_seconds)
        throughputs[entry.key] = by_run[same]
    return throughputs
