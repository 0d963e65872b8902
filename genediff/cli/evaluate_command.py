"""The command that evaluates a model, a file of generated cells, or predictions of perturbations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from genediff.cli.options import AS_JSON, DEVICE, check_output, print_json, progress_bar, workspace
from genediff.cli.predict_commands import (
    COLUMN,
    CONTEXT,
    CONTROL,
    HOLD_OUT,
    N_SEEN,
    SCHEME,
    judge_pair,
    judge_predictor,
)
from genediff.core.errors import InputError

if TYPE_CHECKING:
    from typing import Any

    from genediff.evaluation import Evaluation
    from genediff.evaluation.protocols import ProtocolScores
    from genediff.perturbation import Scores

NAME_DATA = "Name the data set that the cells are compared with: --data DATASET (see `datasets`)."


def evaluate(
    source: str = typer.Argument(
        ...,
        help="Id of a model, an .h5ad of generated or predicted cells, or a baseline such as additive.",
        show_default=False,
    ),
    data: str | None = typer.Option(None, help="Id of the data set; that of the model unless given."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Write the whole report as JSON."),
    seeds: int = typer.Option(5, min=1, max=100, help="Draws of generated cells that figures are averaged over."),
    protocol: str | None = typer.Option(
        None, help="Evaluate as another group does: cfgen or scldm; what leaks there is named."
    ),
    device: str = DEVICE,
    real: Path | None = typer.Option(None, help="For predicted perturbations: the .h5ad of the measured cells."),
    column: str | None = COLUMN,
    control: str | None = CONTROL,
    context: str | None = CONTEXT,
    scheme: str | None = SCHEME,
    n_seen: int = N_SEEN,
    hold_out: list[str] = HOLD_OUT,
    as_json: bool = AS_JSON,
) -> None:
    """Evaluate cells against held-out ones, beside real samples and simple baselines.

    A model of perturbations, or a baseline, is evaluated on held-out perturbations; of a pair of files of
    predicted and measured cells (`predict` writes them; other tools may too) every perturbation is.
    """
    from genediff.api.perturb import is_response
    from genediff.models.model_info import ModelInfo
    from genediff.perturbation import BASELINES
    from genediff.runs.kinds.evaluate_generated import evaluate_by_protocol, evaluate_file, evaluate_model

    place, over = workspace(), range(seeds)
    if output is not None:
        check_output(output)
    found: Evaluation | Scores | ProtocolScores
    with progress_bar("Evaluating") as report:
        if protocol is not None:
            is_file = source.lower().endswith(".h5ad")
            if is_file and data is None:
                raise InputError(NAME_DATA)
            path = Path(source) if is_file else place.model_folder(source)
            dataset = place.open_dataset(data or ModelInfo.read(path).dataset_id)
            found = evaluate_by_protocol(
                path, dataset, protocol, device=device, progress=report, cancelled=lambda: False, seeds=over
            )
        elif real is not None:
            found = judge_pair(Path(source), real, column=column, control=control)
        elif source in BASELINES or is_response(place, source):
            choices: dict[str, Any] = {"column": column, "control": control, "context": context, "scheme": scheme}
            choices |= {"n_seen": n_seen, "hold_out": tuple(hold_out)}
            found = judge_predictor(source, data, choices, seeds=over, progress=report)
        elif source.lower().endswith(".h5ad"):
            if data is None:
                raise InputError(NAME_DATA)
            found = evaluate_file(
                Path(source), place.open_dataset(data), progress=report, cancelled=lambda: False, seeds=over
            )
        else:
            folder = place.model_folder(source)
            dataset = place.open_dataset(data or ModelInfo.read(folder).dataset_id)
            found = evaluate_model(folder, dataset, device=device, progress=report, cancelled=lambda: False, seeds=over)
    if output is not None:
        found.save(output)
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(found.to_text())
        if output is not None:
            typer.echo(f"Wrote the whole report to {output}.")
