"""Adding a data set: choose a file, read the doctor's report, say what columns mean, watch the import."""

from __future__ import annotations

import streamlit as st

from genediff.errors import InputError
from genediff.runs import ImportJob, Run, find_run, submit
from genediff.ui import add_choices, add_report, add_source, caching, explain, frame, profile_choice, state

ADD, IMPORT = "add", "import"  # parts of the address: the form is open; a run that imports


def is_open() -> bool:
    """Say whether the address asks for adding a data set or for watching an import."""
    return any(name in st.query_params for name in (ADD, IMPORT, add_source.FILE))


def close() -> None:
    """Leave adding, and return to the data sets that are there."""
    for name in (ADD, IMPORT, add_source.FILE):
        if name in st.query_params:
            del st.query_params[name]


def show() -> None:
    """Draw the step that the address asks for."""
    if IMPORT in st.query_params:
        _watch(st.query_params[IMPORT])
        return
    path = add_source.chosen_file()
    if path is None:
        add_source.show()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(path.name, anchor=False, width="content")
        st.button("Choose another file", on_click=_another_file, type="tertiary", icon=":material/undo:")
    try:
        found = add_report.examine(path)
        add_report.show(found)
        if not found.usable:
            return
        st.subheader("What the columns mean", anchor=False)
        config = add_choices.show(found, path)
        profile = profile_choice.ask(
            key="import_profile",
            otherwise="Import on a cluster instead",
            again="begins anew: its nodes must see the file",
        )
        if st.button("Import these cells", type="primary", icon=":material/download_for_offline:"):
            run = submit(ImportJob.of(path, config), caching.workspace(), profile=profile)
            close()
            st.query_params[IMPORT] = run.id
            st.rerun()
    except InputError as error:
        explain.show_input_error(error)
    st.caption(
        "The import runs in the background: this page can be closed, and shows the progress when it is opened again."
    )


def _another_file() -> None:
    close()
    st.query_params[ADD] = "1"


def _watch(run_id: str) -> None:
    try:
        run = find_run(caching.workspace(), run_id)
    except InputError as error:
        explain.show_input_error(error)
        frame.link("data", "See the data sets that are here", icon=":material/arrow_forward:")
        return
    st.subheader(f"Importing {run.name}", anchor=False)
    ended = run.status.has_ended
    st.fragment(_progress, run_every=None if ended else "1s")(run, ended)


def _progress(run: Run, ended_before: bool) -> None:
    """Draw where the import stands; at its end, the whole page starts over."""
    status = run.status
    if run.result.get("dataset_id"):  # its map is drawn last, and watched where it will stand
        _finished(run)
    if status.has_ended and not ended_before:
        st.rerun(scope="app")
    if status.has_ended:
        _not_finished(run)
    else:
        left = f" · about {status.seconds_left:.0f} s left" if status.seconds_left and status.seconds_left > 1 else ""
        waiting = "Starting a worker …" if status.state == "queued" else "Working …"
        st.progress(status.fraction or 0.0, text=f"{status.message or waiting}{left}")
        if st.button("Cancel", icon=":material/stop:"):
            run.cancel()
            st.rerun(scope="app")


def _finished(run: Run) -> None:
    close()
    state.choose(dataset=run.result["dataset_id"])
    st.session_state["imported"] = run.result.get("message")
    st.rerun(scope="app")


def _not_finished(run: Run) -> None:
    status = run.status
    if status.state == "cancelled":
        st.info("The import was cancelled; nothing of it was kept.")
    else:
        st.error(status.message or "The import failed; its log says why.", icon=":material/error:")
        log = run.log_tail(40)
        if log:
            with st.expander("Log"):
                st.code(log, language=None)
    path = str(run.config.get("path", ""))
    with st.container(horizontal=True):
        if path:
            st.button("Change the choices and try again", on_click=_again, args=(path,))
        st.button("Choose another file", on_click=_another_file)


def _again(path: str) -> None:
    close()
    st.query_params[add_source.FILE] = path
