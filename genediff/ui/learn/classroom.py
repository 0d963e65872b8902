"""What a teacher sees of a class: which browser is where, and what was answered. Nobody is named."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from genediff.core.errors import InputError
from genediff.core.json_files import parse, read_or_none, write_json
from genediff.core.users import common_root

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.learn import Story

HERE_SECONDS = 120.0
"""A browser that asked for a page within this time is taken to be there."""
MOST_TRIES = 10
"""Wrong codes within a minute, from all browsers together."""
_NUMBERS, _ANSWERS = "browsers.json", "answers.jsonl"


@dataclass(frozen=True)
class Answer:
    """An answer to a question of a story: the first of a browser counts, later ones know what is right."""

    time: str
    browser: int
    story: str
    view: int
    question: str
    answer: str
    right: bool
    attempt: int


@dataclass
class Seat:
    """Where a browser is now."""

    browser: int
    page: str
    story: str
    seen: float


class Classroom:
    """The browsers of a class by number, and their answers; numbers and answers survive the server.

    Parameters
    ----------
    folder
        Where they are kept; made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = read_or_none(folder / _NUMBERS) or {}
        self._answers = list(_read(folder / _ANSWERS))
        self._seats: dict[str, Seat] = {}
        self._teachers: set[str] = set()
        self._wrong: deque[float] = deque(maxlen=MOST_TRIES)

    def number(self, root: Path) -> int:
        """Return the number of the browser with this workspace: the next one where it is new."""
        with self._lock:
            if root.name not in self._numbers:
                self._numbers[root.name] = len(self._numbers) + 1
                self._folder.mkdir(parents=True, exist_ok=True)
                write_json(self._folder / _NUMBERS, dict(self._numbers))
            return self._numbers[root.name]

    def seen(self, root: Path, page: str, story: str = "") -> None:
        """Note which page a browser opened, and which view of which story."""
        number = self.number(root)
        with self._lock:
            self._seats[root.name] = Seat(number, page, story, time.time())

    def answered(self, root: Path, story: Story, step: int, chosen: int) -> None:
        """Note an answer to the question of a view (from 0)."""
        question = story.steps[step].question
        assert question is not None
        number = self.number(root)
        with self._lock:
            earlier = sum((one.browser, one.story, one.view) == (number, story.id, step + 1) for one in self._answers)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            answer = Answer(
                now, number, story.id, step + 1, question.text, question.choices[chosen], chosen == question.answer,
                earlier + 1,
            )  # fmt: skip
            self._answers.append(answer)
            with (self._folder / _ANSWERS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(answer), ensure_ascii=False) + "\n")

    def let_in(self, root: Path, code: str, right: str) -> None:
        """Let a browser see the teacher's page from now on; InputError where the code is wrong or was tried often."""
        import hmac

        now = time.monotonic()
        with self._lock:
            if len(self._wrong) == MOST_TRIES and now - self._wrong[0] < 60:
                raise InputError("Too many wrong codes; try again in a minute.")
            if not hmac.compare_digest(code.strip().lower().encode(), right.encode()):
                self._wrong.append(now)
                raise InputError("This is not the code; the server printed it when it was started.")
            self._teachers.add(root.name)

    def is_teacher(self, root: Path) -> bool:
        """Whether a browser has given the code."""
        return root.name in self._teachers

    def seats(self) -> list[tuple[str, Seat]]:
        """Return each browser's workspace by name and where it is, by number; the teacher's own are none."""
        with self._lock:
            students = ((name, seat) for name, seat in self._seats.items() if name not in self._teachers)
            return sorted(students, key=lambda seat: seat[1].browser)

    def answers(self) -> pd.DataFrame:
        """Return one row per answer, the oldest first."""
        with self._lock:
            return pd.DataFrame([asdict(one) for one in self._answers], columns=list(Answer.__dataclass_fields__))


def counted(answers: pd.DataFrame) -> pd.DataFrame:
    """Return how often each choice was the first one, and the share of right ones, by question."""
    first = answers[answers["attempt"] == 1]
    by = ["story", "view", "question"]
    rows = []
    for key, group in first.groupby(by, sort=True):
        counts = group["answer"].value_counts()
        rows.append(
            {
                **dict(zip(by, key, strict=True)),
                "answered": len(group),
                "right at first": float(group["right"].mean()),
                "first answers": " · ".join(f"{answer}: {n}" for answer, n in counts.items()),
            }
        )
    return pd.DataFrame(rows, columns=[*by, "answered", "right at first", "first answers"])


_OPEN: dict[Path, Classroom] = {}


def classroom(root: Path) -> Classroom:
    """Return the class that a workspace belongs to."""
    folder = common_root(root) / "class"
    if folder not in _OPEN:
        _OPEN.setdefault(folder, Classroom(folder))
    return _OPEN[folder]


def _read(path: Path) -> list[Answer]:
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            found.append(Answer(**parse(line)))
        except (ValueError, TypeError):  # a line that was cut off
            continue
    return found
