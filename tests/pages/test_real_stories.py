"""Stories on real screens: a reader without the file learns where it is, and what stories say is what is seen."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from genediff.core.installation import ASSETS
from genediff.learn import StoryLibrary
from genediff.perturbation.question import BaselineSource, Question, controls_of
from genediff.perturbation.question_result import genes_table, predict_question
from genediff.perturbation.screen_reader import ScreenReader
from genediff.ui.kit import selection_picker
from genediff.ui.perturb.real_screens import SCREENS
from tests.pages.conftest import texts
from tests.pages.test_perturb import settled
from tests.real_screen_files import import_as_told, import_screen

STORIES = {story.id: story for story in StoryLibrary(ASSETS / "nowhere", ASSETS / "nowhere").read_all()[0]}


@pytest.fixture(params=SCREENS, ids=lambda one: one.id)
def screen(request, workspace):
    """A real screen, with its story in the workspace."""
    workspace.story_library().save(STORIES[request.param.story])
    return request.param


def test_every_real_screen_has_a_story_about_it() -> None:
    for one in SCREENS:
        assert STORIES[one.story].needs() == {"dataset": (one.id,), "model": ()}


def test_without_the_file_the_reader_is_told_where_it_is_and_no_other_cells_are_shown(screen, open_page):
    first = STORIES[screen.story].steps[0]
    app = open_page(first.page, {**first.query, "story": screen.story, "step": "1"})
    said = texts(app)
    assert first.title in said and "needs cells that may not be passed on" in said
    for word in (screen.address, screen.file, screen.perturbation, screen.control, screen.label or ""):
        assert word in said
    assert not app.title, "the page below would show other cells"
    assert "dataset" not in app.query_params, "other pages would look for it"
    adding = open_page("data", {"add": "1", "story": screen.story, "step": "1"})
    assert screen.guide in texts(adding)
    assert [one.value for one in adding.title] == ["Data"], "here the file is added"


def test_the_list_of_real_screens_leads_to_their_stories(workspace, open_page):
    for one in SCREENS:
        workspace.story_library().save(STORIES[one.story])
    app = open_page("perturb", {"dataset": "simulated-screen"})
    opening = [button for button in app.button if button.label.startswith("Open its story")]
    assert len(opening) == len(SCREENS)
    opening[0].click().run()
    assert not app.exception
    assert STORIES[SCREENS[0].story].steps[0].title in texts(app)


@pytest.fixture
def small_kang(tmp_path, workspace):
    """A few simulated cells in the columns of Kang's file, under its name."""
    draw = np.random.default_rng(0)
    types = np.repeat(["B cells", "CD14+ Monocytes", "CD4 T cells", "CD8 T cells"], 150)
    label = np.tile(["ctrl", "stim"], 300)
    means = np.full((600, 40), 2.0)
    means[label == "stim", :3] = 9.0
    genes = ["ISG15", "IFIT1", "CXCL10", *(f"G{number}" for number in range(37))]
    obs = pd.DataFrame({"label": label, "cell_type": types}, index=[f"c{number}" for number in range(600)])
    cells = anndata.AnnData(draw.poisson(means).astype(np.float32), obs=obs, var=pd.DataFrame(index=genes))
    [kang] = [one for one in SCREENS if one.id == "kang_2018"]
    workspace.story_library().save(STORIES[kang.story])
    return import_as_told(cells, kang, tmp_path, workspace.datasets)


def test_an_import_is_recognised_and_each_view_asks_what_it_says(small_kang, open_page):
    story = STORIES["interferon-in-b-cells"]
    for number, step in enumerate(story.steps):
        query = {name: value for name, value in step.query.items() if value}
        app = settled(open_page(step.page, {**query, "story": story.id, "step": str(number + 1)}))
        assert app.query_params["dataset"] == small_kang.info.id
        assert app.query_params["by"] == step.query["by"]
        group = app.selectbox(key="group").value
        assert group == step.query["group"]
        assert app.multiselect(key="look").value == list(step.query["look"])
        held = group.removeprefix("cell_type: ")
        said = texts(app).replace("\\", "")
        assert f"Measured in {held} and held out there: what it does was learnt from other cells alone" in said


def _seen(dataset, step) -> pd.DataFrame:
    """Return what a view shows of each gene: predicted and measured change."""
    reader, members = ScreenReader(), selection_picker.group(dataset, str(step.query.get("group", "All cells")))
    source = BaselineSource(reader, str(step.query["by"]))
    base = source.task(dataset)
    asked = base.perturbation(str(step.query.get("gene", "stim")))
    task, kind = source.divide(dataset, base, asked, str(step.query.get("group", "All cells")))
    rows, _ = controls_of(task, members)
    question = Question(task, asked, kind, source, rows, "", members, 200)
    found = predict_question(question, reader)
    assert not len(task.measured(asked, part="train")) or kind == "context", "the measured cells are held out"
    assert not found.learnt_from
    return genes_table(question, found).set_index("gene")[["predicted", "measured"]]


def test_what_the_story_of_b_cells_says_is_seen(tmp_path, workspace):
    dataset = import_screen("kang_2018", tmp_path, workspace.datasets)
    b_cells, _, _, monocytes, t_cells, _ = (_seen(dataset, one) for one in STORIES["interferon-in-b-cells"].steps)
    for gene in ("ISG15", "IFIT1"):
        assert b_cells["predicted"][gene] == pytest.approx(b_cells["measured"][gene], rel=0.25)
        assert b_cells["measured"][gene] > 2
    assert min(monocytes.loc["ISG15"]) > 2
    assert monocytes["measured"]["CXCL10"] > 2 * monocytes["predicted"]["CXCL10"] > 0
    assert t_cells["predicted"]["ISG15"] == pytest.approx(t_cells["measured"]["ISG15"], rel=0.25)
    assert t_cells["predicted"]["CXCL10"] > 2 * t_cells["measured"]["CXCL10"] > 0


def test_what_the_story_of_knock_outs_says_is_seen(tmp_path, workspace):
    dataset = import_screen("papalexi_2021", tmp_path, workspace.datasets)
    steps = {str(one.query["gene"]): one for one in STORIES["interferon-gamma-knock-outs"].steps}
    seen = {gene: _seen(dataset, step) for gene, step in steps.items()}
    for gene in ("STAT1", "UBE2L6"):
        broken = [seen[one]["measured"][gene] for one in ("STAT1", "JAK2", "IFNGR2")]
        kept = [seen[one]["measured"][gene] for one in ("STAT2", "CMTM6")]
        assert max(broken) < 3 * min(kept) < 0, "the signal is broken by three, and hardly touched by two"
        told = [seen[one]["predicted"][gene] for one in ("JAK2", "IFNGR2", "STAT2", "CMTM6")]
        assert max(told) - min(told) < 0.1, "a mean says the same for all"
        assert max(broken) < min(told) < max(told) < seen["CMTM6"]["measured"][gene] < 0.1
