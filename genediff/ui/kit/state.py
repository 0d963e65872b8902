"""Which data set, model and run the reader is looking at: in the session, and in the address bar."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

_KEY = "app_state"


@dataclass(frozen=True)
class AppState:
    """The ids a page opens with; None means that nothing has been chosen yet."""

    dataset: str | None = None
    model: str | None = None
    run: str | None = None

    def to_query(self) -> dict[str, str]:
        """Return the ids as the address bar shows them, without the empty ones."""
        ids = {"dataset": self.dataset, "model": self.model, "run": self.run}
        return {name: value for name, value in ids.items() if value}


def current() -> AppState:
    """Return what is chosen now."""
    return st.session_state.get(_KEY, AppState())


def read_url() -> AppState:
    """Take the ids from the address bar, and write back those that it lacks.

    The menu drops the query string on its way to another page, and a browser reload drops the session. So the address
    wins where it names an id, and the session fills in the rest.
    """
    query = st.query_params
    known = current()
    state = AppState(
        dataset=query.get("dataset") or known.dataset,
        model=query.get("model") or known.model,
        run=query.get("run") or known.run,
    )
    _store(state)
    return state


def choose(*, dataset: str | None = None, model: str | None = None, run: str | None = None) -> AppState:
    """Change one id or several; those not given stay as they are."""
    state = current()
    if dataset is not None:
        state = replace(state, dataset=dataset)
    if model is not None:
        state = replace(state, model=model)
    if run is not None:
        state = replace(state, run=run)
    _store(state)
    return state


def forget(*names: str) -> AppState:
    """Clear ids by name ("dataset", "model", "run"), for instance of something that was deleted."""
    state = AppState(**{name: value for name, value in current().to_query().items() if name not in names})
    for name in names:
        if name in st.query_params:
            del st.query_params[name]
    _store(state)
    return state


def _store(state: AppState) -> None:
    st.session_state[_KEY] = state
    changed = {name: value for name, value in state.to_query().items() if st.query_params.get(name) != value}
    if changed:
        st.query_params.update(changed)
