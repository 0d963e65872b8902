"""Where a run shall go: this machine, or a profile of a cluster. Folded away while there is only this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.runs import LOCAL, read_profiles
from genediff.runs.profiles import EXAMPLE, profile_files
from genediff.ui.kit import caching, choices, explain

if TYPE_CHECKING:
    from genediff.runs import Profile


def ask(
    *,
    key: str = "profile",
    otherwise: str = "Train on a cluster instead",
    again: str = "continues from its checkpoint",
) -> str:
    """Draw the choice and return the profile's name; a file that cannot be read is named, and this machine is left.

    `again` is what a run does that the cluster has stopped and queued again. While there is only this machine, a folded
    box under the words `otherwise` says how to add others.
    """
    try:
        known = read_profiles(caching.workspace().root)
    except InputError as error:
        explain.show_input_error(error)
        return LOCAL
    if len(known) == 1:
        with st.expander(otherwise, icon=":material/dns:"):
            _how_to()
        return LOCAL
    left, right = st.columns([0.4, 0.6], vertical_alignment="bottom")
    with left:
        titles = {name: profile.title or name for name, profile in known.items()}
        chosen = choices.select("Where it runs", titles, key=key, default=LOCAL)
    with right:
        st.caption(_facts(chosen, known[chosen], again))
    return chosen


def _how_to() -> None:
    files = profile_files(caching.workspace().root)
    st.markdown(
        "Runs can go to a SLURM cluster when this machine has its commands and the cluster's nodes see the same "
        f"folders. Describe profiles in `{files[-1]}` (this workspace) or `{files[0]}` (all of your "
        "workspaces); they are then offered here. An example:"
    )
    st.code(EXAMPLE, language="toml")


def _facts(name: str, profile: Profile, again: str) -> str:
    if profile.backend == "local":
        return "As a background process on this machine. Runs use a device one at a time; others are queued."
    gpus = "no GPU" if not profile.devices else f"{profile.devices} GPU{'s' if profile.devices > 1 else ''}"
    nodes = "1 node" if profile.nodes == 1 else f"{profile.nodes} nodes"
    parts = [
        f"partition {explain.plain(profile.partition)}" if profile.partition else "the cluster's default partition",
        f"{nodes}, {gpus}{' each' if profile.nodes > 1 and profile.devices else ''}",
        *([f"{profile.cpus} core{'s' if profile.cpus > 1 else ''} for each process"] if profile.cpus else []),
        f"time limit {profile.time}{' minutes' if isinstance(profile.time, int) else ''}",
    ]
    return (
        f"SLURM, {', '.join(parts)}. Preempted, or at its time limit, it is queued again and {again}. "
        f"(`{name}` in {explain.plain(str(profile_files(caching.workspace().root)[-1].name))})"
    )
