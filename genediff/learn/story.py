"""A story: an ordered list of views of the app, each with a title, a few sentences and perhaps a question.

It is a plain YAML (or JSON) file, so that a teacher can write, read and share it. A view is a page and the query of its
address: the app's addresses hold everything that a reader has chosen.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from genediff.core.errors import InputError
from genediff.core.installation import APP
from genediff.core.json_files import refuse_broken_unicode

FORMAT_VERSION = 1
MOST_BYTES = 1_000_000
SAFE_ID = r"[a-z0-9][a-z0-9\-]{0,59}"


class Question(BaseModel):
    """A question with one right choice, to be answered before the next view.

    ``answer`` is the position of the right choice, from 0; ``because`` explains it once the reader has chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(max_length=400)
    choices: tuple[str, ...] = Field(min_length=2, max_length=6)
    answer: int = Field(ge=0)
    because: str = Field("", max_length=1000)

    @model_validator(mode="after")
    def _answer_is_a_choice(self) -> Question:
        if self.answer >= len(self.choices):
            raise ValueError(f"the answer is number {self.answer} and there are {len(self.choices)} choices from 0")
        return self


class Step(BaseModel):
    """One view.

    ``page`` is a page by the stem of its file and ``query`` the query of its address; a part of it may have several
    values, as several genes. ``highlight`` and ``locked`` name controls by their Streamlit keys: the first are
    outlined, the second cannot be changed during this step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1, max_length=120)
    text: str = Field("", max_length=2000)
    page: str
    query: dict[str, str | tuple[str, ...]] = {}
    question: Question | None = None
    highlight: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _page_is_there(self) -> Step:
        if self.page not in page_names():
            raise ValueError(f"there is no page “{self.page}”; pages are {', '.join(page_names())}")
        return self

    def named(self, kind: Literal["dataset", "model"]) -> str | None:
        """Return the id of the data set or model that the view is of."""
        found = self.query.get(kind)
        return found if isinstance(found, str) and found else None


class Story(BaseModel):
    """An ordered list of views, with what a teacher needs to know.

    ``minutes`` is how long it takes, ``goals`` what a student can say afterwards, ``notes`` are for the teacher, with
    the answers to expect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    id: str = Field(pattern=rf"^{SAFE_ID}$")
    title: str = Field(min_length=1, max_length=120)
    summary: str = Field("", max_length=600)
    minutes: int = Field(10, ge=1, le=240)
    goals: tuple[str, ...] = ()
    notes: str = Field("", max_length=20_000)
    steps: tuple[Step, ...] = Field(max_length=60)

    def needs(self) -> dict[str, tuple[str, ...]]:
        """Return the ids of the data sets and models that its views name: {"dataset": …, "model": …}."""
        kinds: tuple[Literal["dataset", "model"], ...] = ("dataset", "model")
        return {kind: tuple(dict.fromkeys(filter(None, (step.named(kind) for step in self.steps)))) for kind in kinds}

    def to_yaml(self) -> str:
        """Return the text of its file."""
        content = json.loads(self.model_dump_json(exclude_defaults=True, exclude={"format_version"}))
        return yaml.safe_dump({"format_version": FORMAT_VERSION, **content}, sort_keys=False, allow_unicode=True)


def page_names() -> tuple[str, ...]:
    """Return the pages that a view may be of."""
    return tuple(sorted(path.stem for path in (APP / "pages").glob("*.py")))


def parse_story(text: str, *, name: str = "the file") -> Story:
    """Read a story from YAML or JSON.

    Parameters
    ----------
    text
        The content of the file.
    name
        What errors call it.

    Raises
    ------
    InputError
        When it is too large, no YAML, of a newer format, or a part is missing or wrong; the sentence says which.
    """
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise InputError(f"{name} is larger than a story may be (1 MB).")
    try:
        content: Any = yaml.load(text, Loader=_PlainLoader)
        refuse_broken_unicode(content)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        where = getattr(problem, "problem_mark", None)
        line = f" (line {where.line + 1})" if where is not None else ""
        raise InputError(f"{name} is no YAML or JSON that can be read{line}.") from None
    if not isinstance(content, dict) or "steps" not in content:
        raise InputError(f"{name} holds no story: it has no list of steps.")
    version = content.get("format_version", FORMAT_VERSION)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise InputError(f"{name} was written by a newer GeneDiff (format {version}); update GeneDiff.")
    try:
        return Story.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = " → ".join(str(part + 1) if isinstance(part, int) else str(part) for part in first["loc"])
        raise InputError(f"{name}: {place or 'story'}: {first['msg'].removeprefix('Value error, ')}.") from None


class _PlainLoader(yaml.SafeLoader):
    """Plain values without aliases, by which a few lines could stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias; anything else as usual."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)
