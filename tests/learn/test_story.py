"""Stories are read whole or refused by a sentence, and come back as they were written."""

from __future__ import annotations

import json

import pytest

from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.learn import Question, Step, Story, StoryLibrary, parse_story
from genediff.ui.perturb.real_screens import screen_called
from genediff.workspace import Workspace

STORY = Story(
    id="mine",
    title="Mine: α & “β”",
    steps=(
        Step(title="First", text="Look.\n\nAgain.", page="data", query={"dataset": "pbmc3k", "genes": ("CD3E", "LYZ")}),
        Step(
            title="Second",
            page="tokenize",
            question=Question(text="Which?", choices=("a", "b"), answer=1, because="b is."),
            highlight=("view",),
            locked=("n",),
        ),
    ),
)


@pytest.fixture
def library(tmp_path) -> StoryLibrary:
    return Workspace(tmp_path).story_library()


def test_a_story_survives_its_file(library: StoryLibrary) -> None:
    assert parse_story(STORY.to_yaml()) == STORY
    assert parse_story(json.dumps(json.loads(STORY.model_dump_json()))) == STORY
    library.save(STORY)
    assert library.find("mine") == STORY
    library.delete("mine")
    with pytest.raises(InputError, match="no story “mine”"):
        library.find("mine")
    library.restore("mine")
    assert library.find("mine") == STORY


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no story"),
        ("[]", "holds no story"),
        ("null", "holds no story"),
        ("a: [", r"no YAML or JSON that can be read \(line 1\)"),
        ("steps: []\nid: ../x\ntitle: t", "id"),
        ("steps: []\nid: x\ntitle: ''", "title"),
        ("steps: [{title: t, page: nowhere}]\nid: x\ntitle: t", "steps → 1: there is no page “nowhere”"),
        ("steps: [{title: t, page: data, surprise: 1}]\nid: x\ntitle: t", "surprise"),
        ("steps: [{title: t, page: data, question: {text: q, choices: [a, b], answer: 2}}]\nid: x\ntitle: t", "answer"),
        ("format_version: 99\nsteps: []\nid: x\ntitle: t", "newer GeneDiff"),
        ("format_version: x\nsteps: []\nid: x\ntitle: t", "newer GeneDiff"),
        ("x: &a [1]\ny: *a\nsteps: []", "no YAML or JSON"),
        ("x: !!python/object:os.system [ls]\nsteps: []", "no YAML or JSON"),
        ("[" * 100_000, "no YAML or JSON"),
        ("a" * 1_000_001, "larger than a story"),
    ],
)
def test_what_is_no_story_is_refused_by_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse_story(text)


def test_a_damaged_file_is_named_and_the_others_stay(library: StoryLibrary) -> None:
    library.save(STORY)
    (library.folder / "broken.yaml").write_bytes(b"\xff\xfe\x00")
    (library.folder / "empty.yaml").write_text("")
    stories, damaged = library.read_all()
    assert "mine" in {story.id for story in stories}
    assert set(damaged) == {"broken", "empty"}
    library.delete("broken")
    assert set(library.read_all()[1]) == {"empty"}


def test_shipped_stories_are_whole_and_need_only_what_ships_or_is_told_where_to_get() -> None:
    stories, damaged = StoryLibrary(ASSETS / "nowhere", ASSETS / "nowhere").read_all()
    assert not damaged
    for story in stories:
        assert story.steps
        for kind, ids in story.needs().items():
            have = [one for one in ids if (ASSETS / f"{kind}s" / one).is_dir() or screen_called(one)]
            assert list(ids) == have, f"{story.id} needs {kind} {ids}"
        assert any(step.question for step in story.steps)


def test_ids_of_new_stories_are_free(library: StoryLibrary) -> None:
    library.save(STORY)
    assert library.free_id("Mine") == "mine-2"
    assert library.free_id("¿?") == "story"
