"""The stories that ship or are shared, and those of the user: one file each."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.core.json_files import write_text
from genediff.learn.story import SAFE_ID, Story, parse_story

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED_STORIES = ASSETS / "stories"


class StoryLibrary:
    """Stories in some folders; a user's story with the id of another one takes its place.

    Parameters
    ----------
    folder, trash
        The user's, such as `Workspace.stories`, and where deleted ones go.
    others
        Where others lie, which can only be read: those that ship, and on a server those that users share.
    """

    def __init__(self, folder: Path, trash: Path, others: tuple[Path, ...] = (SHIPPED_STORIES,)) -> None:
        self.folder, self.trash, self.others = folder, trash, others

    def read_all(self) -> tuple[list[Story], dict[str, str]]:
        """Return the stories, the user's own last, and for each file that cannot be read why."""
        found: dict[str, Story] = {}
        damaged: dict[str, str] = {}
        for path in (path for folder in (*self.others, self.folder) for path in sorted(folder.glob("*.yaml"))):
            try:
                file = path.stat()
                story = _read(path, file.st_mtime_ns, file.st_size)
            except InputError as problem:
                damaged[path.stem] = str(problem)
            except (OSError, UnicodeDecodeError):
                damaged[path.stem] = f"{path.name} cannot be read as text."
            else:
                found[story.id] = story
        return list(found.values()), damaged

    def find(self, story_id: str) -> Story:
        """Return a story by its id; InputError when there is none, or its file is damaged."""
        stories, damaged = self.read_all()
        for story in stories:
            if story.id == story_id:
                return story
        why = damaged.get(story_id) or (
            f"There is no story “{story_id}” here; those that can be opened are on Learn. One that somebody wrote "
            "elsewhere can be downloaded there and added here."
        )
        raise InputError(why)

    def is_own(self, story_id: str) -> bool:
        """Whether the user wrote or added it."""
        return bool(re.fullmatch(SAFE_ID, story_id)) and (self.folder / f"{story_id}.yaml").is_file()

    def save(self, story: Story) -> None:
        """Keep a story; one of the same id is replaced."""
        write_text(self.folder / f"{story.id}.yaml", story.to_yaml())

    def delete(self, story_id: str) -> None:
        """Put a user's story into the trash; `restore` brings it back."""
        if not self.is_own(story_id):
            raise InputError(f"“{story_id}” is not one of your stories, so it cannot be deleted.")
        self.trash.mkdir(parents=True, exist_ok=True)
        os.replace(self.folder / f"{story_id}.yaml", self.trash / f"{story_id}.yaml")

    def restore(self, story_id: str) -> None:
        """Bring a deleted story back; InputError when its name was taken meanwhile."""
        if story_id not in self.deleted():
            raise InputError(f"“{story_id}” is not in the trash, so it cannot be restored.")
        if self.is_own(story_id):
            raise InputError(f"There is a new story “{story_id}”; delete that one first to restore the older one.")
        os.replace(self.trash / f"{story_id}.yaml", self.folder / f"{story_id}.yaml")

    def deleted(self) -> list[str]:
        """Return the ids of the stories in the trash."""
        return sorted(path.stem for path in self.trash.glob("*.yaml"))

    def free_id(self, title: str) -> str:
        """Return an id for a new story, made of its title."""
        base = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:50] or "story"
        taken = {path.stem for place in (*self.others, self.folder) for path in place.glob("*.yaml")}
        return next(name for n in range(1, 10_000) if (name := base if n == 1 else f"{base}-{n}") not in taken)


@lru_cache(maxsize=256)
def _read(path: Path, written: int, size: int) -> Story:
    """Read a story once for as long as its file stays: YAML takes ten milliseconds a story, and every page asks."""
    return parse_story(path.read_text(encoding="utf-8"), name=path.name)
