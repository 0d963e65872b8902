from __future__ import annotations

import streamlit as st

from genediff.ui.kit import choices, glossary, layout
from genediff.ui.learn import class_view, story_list

layout.guard()
if class_view.is_asked_for():
    layout.header("Class", "Which browser is where, and what was answered. Browsers have numbers and no names.")
    class_view.show()
    st.stop()
layout.header(
    "Learn",
    "Guided stories through the app: each view opens with what to look at, and some with a question.",
)
view = st.segmented_control(
    "View",
    ["Stories", "Background", "Glossary"],
    default="Stories",
    required=True,
    key=layout.view_key("learn"),
    bind="query-params",
    label_visibility="collapsed",
)
if view == "Glossary":
    glossary.show()
elif view == "Background":
    glossary.show_background(choices.select("Page", glossary.background_pages(), key="read"))
else:
    if (number := class_view.number()) is not None:
        st.caption(f"You are browser {number} of this class.")
    story_list.show()
