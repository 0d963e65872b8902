import streamlit as st

from genediff.core.errors import InputError
from genediff.ui.data import add_data, data_about, data_map, data_quality, differential_view
from genediff.ui.kit import caching, damaged, explain, layout, prerequisites, reproduction_bundle

VIEWS = {
    "Map": data_map.show,
    "Differential expression": differential_view.show,
    "Quality": data_quality.show,
    "About": data_about.show,
}

layout.guard()
layout.header("Data", "Browse the cells of a data set, check their quality and annotation, or add cells of your own.")
data_about.library().messages()
damaged.show("datasets")
imported = st.session_state.pop("imported", None)
if imported:
    st.success(imported, icon=":material/check:")

# --- adding, when the address asks for it or nothing is here yet --------------------------------------------------
datasets = caching.workspace().list_datasets()
if add_data.is_open() or not datasets:
    if datasets:
        st.button("Back to the data sets", icon=":material/arrow_back:", type="tertiary", on_click=add_data.close)
    else:
        st.markdown("**No data set yet.** Start with a file of your own:")
    add_data.show()
    data_about.show_trash()
    st.stop()

# --- need: a data set ---------------------------------------------------------------------------------------------
dataset = prerequisites.require_dataset()
pick, add, view = st.columns([0.42, 0.18, 0.4], vertical_alignment="bottom")
with pick:
    prerequisites.dataset_picker()
with add:
    data_about.add_link()
with view:
    chosen = st.segmented_control(
        "View",
        list(VIEWS),
        default="Map",
        required=True,
        key=layout.view_key("data"),
        bind="query-params",
        label_visibility="collapsed",
    )

# --- result -------------------------------------------------------------------------------------------------------
try:
    VIEWS[chosen](dataset)
except InputError as error:
    explain.show_input_error(error)
reproduction_bundle.bundle_button(f"Data: {chosen.lower()}", dataset=dataset.info)
