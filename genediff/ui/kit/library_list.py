"""What can be done with the things of a workspace: rename, delete, undo, and bring back from the trash.

Data sets, models, comparisons, models of perturbations, gene sets, networks and named selections all use this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.disk_errors import disk_errors
from genediff.core.errors import InputError
from genediff.ui.kit.explain import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LONGEST_NAME = 120


def _nothing(_: str) -> None:
    """Do nothing further with an id."""


@dataclass(frozen=True)
class LibraryList:
    """One kind of things, and the functions that act on them by id.

    Attributes
    ----------
    kind
        Stem of the keys of widgets and of the session, such as "model".
    plural
        What several of them are called, such as "models".
    delete, restore
        Move one into the trash, and back. What they raise as an InputError is shown.
    rename
        Takes an id and a new name; None where names stay.
    when_deleted, when_restored
        Called afterwards with the id, so that the page chooses something else.
    note
        A sentence that is shown after a deletion, such as what stays.
    """

    kind: str
    plural: str
    delete: Callable[[str], object]
    restore: Callable[[str], object]
    rename: Callable[[str, str], object] | None = None
    when_deleted: Callable[[str], object] = _nothing
    when_restored: Callable[[str], object] = _nothing
    note: str = ""

    def messages(self) -> None:
        """Show what went wrong with the last action, and the way back from a deletion."""
        if problem := st.session_state.pop(self._problem, None):
            st.error(plain(problem))
        deleted = st.session_state.get(self._deleted)
        if deleted is None:
            return
        item_id, title = deleted
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"“{plain(title)}” was deleted. {self.note}".rstrip(), width="stretch")
            st.button("Undo", icon=":material/undo:", key=f"undo-{self.kind}", on_click=self._restore, args=(item_id,))

    def rename_button(self, item_id: str, title: str) -> None:
        """Draw "Rename", which opens a field with the present name."""
        key = f"name-{self.kind}-{item_id}"
        with st.popover("Rename", icon=":material/edit:"):
            st.text_input("Name", title, key=key, max_chars=LONGEST_NAME)
            st.button("Save name", type="primary", key=f"save-{self.kind}-{item_id}", on_click=self._rename,
                      args=(item_id, key))  # fmt: skip

    def delete_button(self, item_id: str, title: str, *, label: str = "Delete", help: str | None = None) -> None:
        """Draw "Delete"; `messages` then offers the way back."""
        st.button(
            label, icon=":material/delete:", key=f"delete-{self.kind}-{item_id}", help=help, on_click=self._delete,
            args=(item_id, title),
        )  # fmt: skip

    def trash(self, deleted: Sequence[str], titles: Mapping[str, str] | None = None) -> None:
        """List what was deleted, by id, each with a way back; nothing where nothing was."""
        if not deleted:
            return
        with st.expander(f"Deleted {self.plural} ({len(deleted)})", icon=":material/delete:"):
            for item_id in deleted:
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.markdown(plain((titles or {}).get(item_id, item_id)), width="stretch")
                    st.button("Restore", key=f"restore-{self.kind}-{item_id}", on_click=self._restore, args=(item_id,))

    @property
    def _problem(self) -> str:
        return f"problem-{self.kind}"

    @property
    def _deleted(self) -> str:
        return f"deleted-{self.kind}"

    def _act(self, what: Callable[[], object]) -> bool:
        try:
            with disk_errors():
                what()
        except InputError as error:
            st.session_state[self._problem] = str(error)
            return False
        return True

    def _rename(self, item_id: str, key: str) -> None:
        rename = self.rename
        if rename is not None:
            self._act(lambda: rename(item_id, st.session_state[key] or ""))

    def _delete(self, item_id: str, title: str) -> None:
        if self._act(lambda: self.delete(item_id)):
            st.session_state[self._deleted] = (item_id, title)
            self.when_deleted(item_id)

    def _restore(self, item_id: str) -> None:
        st.session_state.pop(self._deleted, None)
        if self._act(lambda: self.restore(item_id)):
            self.when_restored(item_id)
