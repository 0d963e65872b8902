"""Adding a data set: choose a file, read the doctor's report, say what columns mean, watch the import."""

from __future__ import annotations

import streamlit as st

from genediff.core.errors import InputError
from genediff.runs import ImportJob, Run, find_run, submit
from genediff.ui.data import file_source, import_choices, import_report
from genediff.ui.kit import caching, explain, layout, state
from genediff.ui.run_views import profile_choice

ADD, IMPORT = "add", "import"  # parts of the address: the form is open; a run that imports


def is_open() -> bool:
    """Say whether the address asks for adding a data set or for watching an import."""
    return any(name in st.query_params for name in (ADD, IMPORT, file_source.FILE))


def close() -> None:
    """Leave adding, and return to the data sets that are there."""
    for name in (ADD, IMPORT, file_source.FILE):
        if name in st.query_params:
            del st.query_params[name]


def show() -> None:
    """Draw the step that the address asks for."""
    if IMPORT in st.query_params:
        _watch(st.query_params[IMPORT])
        return
    path = file_source.chosen_file()
    if path is None:
        file_source.show()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(explain.plain(path.name), anchor=False, width="content")
        st.button("Choose another file", on_click=_another_file, type="tertiary", icon=":material/undo:")
    try:
        rows = import_choices.table_rows(path)
        found = import_report.examine(path, rows)
        import_report.show(found)
        if not found.usable:
            return
        st.subheader("Columns", anchor=False)
        config = import_choices.show(found, path, rows=rows)
        profile = profile_choice.ask(
            key="import_profile",
            otherwise="Import on a cluster instead",
            again="starts over; its nodes must see the file",
        )
        if st.button("Import these cells", type="primary", icon=":material/download_for_offline:"):
            run = submit(ImportJob.of(path, config), caching.workspace(), profile=profile)
            close()
            st.query_params[IMPORT] = run.id
            st.rerun()
    except InputError as error:
        explain.show_input_error(error)
    st.caption("The import runs in the background; this page can be closed and shows its progress when opened again.")


def _another_file() -> None:
    close()
    st.query_params[ADD] = "1"


def _watch(run_id: str) -> None:
    try:
        run = find_run(caching.workspace(), run_id)
    except InputError as error:
        explain.show_input_error(error)
        layout.link("data", "See all data sets", icon=":material/arrow_forward:")
        return
    st.subheader(f"Importing {explain.plain(run.name)}", anchor=False)
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
        st.progress(status.fraction or 0.0, text=f"{explain.plain(status.message or waiting)}{left}")
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
        st.info("The import was cancelled; nothing was kept.")
    else:
        explain.show_input_error(status.message or "The import failed; see its log.")
        log = run.log_tail(40)
        if log:
            with st.expander("Log"):
                st.code(log, language=None)
    path = str(run.config.get("path", ""))
    with st.container(horizontal=True):
        if path:
            st.button("Change the settings and try again", on_click=_again, args=(path,))
        st.button("Choose another file", on_click=_another_file)


def _again(path: str) -> None:
    close()
    st.query_params[file_source.FILE] = path
