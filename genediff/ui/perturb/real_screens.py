"""Real screens to download: none may be passed on with the app; where they are, how they are imported, and known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from genediff.ui.kit import caching, layout

if TYPE_CHECKING:
    from genediff.data import DatasetInfo


@dataclass(frozen=True)
class RealScreen:
    """A published screen, and the story that uses it.

    ``id`` is what views of the story call its data set: that of an import is made of the file's content and cannot be
    known before. ``label`` is the column of cell types; None where all cells are of one.
    """

    id: str
    story: str
    title: str
    address: str
    file: str
    origin: str
    perturbation: str
    control: str
    label: str | None
    ask: str

    @property
    def guide(self) -> str:
        """Where the file is, and what is chosen at its import, in Markdown."""
        choices = {"Perturbation": self.perturbation, "Control": self.control, "Cell type": self.label}
        chosen = ", ".join(f"*{name}* `{column}`" for name, column in choices.items() if column)
        return f"**[{self.title}]({self.address})**: `{self.file}`, {self.origin}. Import: {chosen}."

    def is_of(self, info: DatasetInfo) -> bool:
        """Say whether a data set was imported from this file, by these columns."""
        same_file = info.source.startswith(self.file.removesuffix(".h5ad"))  # a second download is kang_2018 (1).h5ad
        return same_file and info.perturbation == self.perturbation and self.label in (None, info.label)


SCREENS = (
    RealScreen(
        id="kang_2018",
        story="interferon-in-b-cells",
        title="Interferon-β in blood cells (Kang et al. 2018)",
        address="https://exampledata.scverse.org/pertpy/kang_2018.h5ad",
        file="kang_2018.h5ad",
        origin="as pertpy offers it; from GEO GSE96583",
        perturbation="label",
        control="ctrl",
        label="cell_type",
        ask="choose `stim` in B cells: the other types say what interferon does, and measured B cells judge it. ISG15 "
        "and IFIT1 rise in both.",
    ),
    RealScreen(
        id="papalexi_2021",
        story="interferon-gamma-knock-outs",
        title="Knock-outs in THP-1 cells (Papalexi et al. 2021)",
        address="https://zenodo.org/records/13350497",
        file="PapalexiSatija2021_eccite_RNA.h5ad",
        origin="of scPerturb; from GEO GSE153056",
        perturbation="perturbation",
        control="control",
        label=None,
        ask="STAT1, JAK2 and IFNGR2 lower STAT1 and its targets; STAT2 and CMTM6 do not. Held out in turn, they show "
        "what prior knowledge of genes adds.",
    ),
)


def screen_called(name: str | None) -> RealScreen | None:
    """Return the screen that a view means by the id of its data set; None for any other data set."""
    return next((one for one in SCREENS if one.id == name), None)


def imported_id(name: str | None) -> str | None:
    """Return the id under which the screen of that name was imported here, the newest; None where it is not here."""
    screen = screen_called(name)
    if screen is None:
        return None
    return next((info.id for info in caching.workspace().list_datasets() if screen.is_of(info)), None)


def show() -> None:
    """Draw where real screens are, how they are added, and what to ask."""
    stories = {story.id: story.title for story in caching.workspace().story_library().read_all()[0]}
    with st.expander("Real screens to download", icon=":material/download:"):
        st.markdown(
            "The screen that comes with the app is simulated: the licences of these real ones do not say that they may "
            "be passed on. Download a file from its source, then add it to your data."
        )
        for one in SCREENS:
            st.markdown(f"{one.guide} What to ask: {one.ask}")
            if one.story in stories:
                st.button(
                    f"Open its story, “{stories[one.story]}”", icon=":material/school:", type="tertiary",
                    key=f"story-of-{one.id}", on_click=_begin, args=(one.story,),
                )  # fmt: skip
        add_link()


def add_link() -> None:
    """Draw the link to where a downloaded file is added."""
    layout.link("data", "Add the downloaded file", icon=":material/upload_file:", extra={"add": "1"})


def _begin(story: str) -> None:
    st.session_state[layout.STORY_TO_BEGIN] = story
