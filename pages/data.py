import streamlit as st

from genediff.ui import add_data, bundle, caching, data_about, data_map, data_quality, frame, needs

VIEWS = {"Map": data_map.show, "Quality": data_quality.show, "About": data_about.show}

frame.guard()
frame.header("Data", "See which cells you have, how good they are and what is known of them, or add cells of your own.")
data_about.show_messages()
imported = st.session_state.pop("imported", None)
if imported:
    st.success(imported, icon=":material/check:")

# --- adding, when the address asks for it or nothing is here yet --------------------------------------------------
datasets = caching.workspace().list_datasets()
if add_data.is_open() or not datasets:
    if datasets:
        st.button("Back to the data sets", icon=":material/arrow_back:", type="tertiary", on_click=add_data.close)
    else:
        st.markdown("**There are no cells here yet.** Start with a file of your own:")
    add_data.show()
    data_about.show_trash()
    st.stop()

# --- need: a data set ---------------------------------------------------------------------------------------------
dataset = needs.require_dataset()
pick, add, view = st.columns([0.42, 0.18, 0.4], vertical_alignment="bottom")
with pick:
    needs.dataset_picker()
with add:
    data_about.add_link()
with view:
    chosen = st.segmented_control(
        "View",
        list(VIEWS),
        default="Map",
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )

# --- result -------------------------------------------------------------------------------------------------------
VIEWS[chosen](dataset)
bundle.bundle_button(f"Data: {chosen.lower()}", dataset=dataset.info)
