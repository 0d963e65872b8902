"""Home: the demo in one click, and what the workspace holds."""

from __future__ import annotations


def _said(app):
    return "\n".join(str(one.value) for one in [*app.markdown, *app.caption])


def _links(app):
    return {link.proto.label: link.proto for link in app.get("page_link")}


def test_the_demo_is_offered(open_page):
    """Where the button leads is looked at in the browser: AppTest does not follow a switch of pages."""
    app = open_page("home")
    next(one for one in app.button if one.label == "Try it on 2,700 blood cells").click().run()
    assert not app.exception


def test_without_the_demo_there_is_no_button_for_it(open_page, no_data):
    app = open_page("home")
    assert not [one for one in app.button if "blood" in one.label]
    assert _said(app).count("None yet") == 3


def test_data_sets_and_models_are_listed_with_links(open_page, model_id):
    links = _links(open_page("home"))
    assert "2,700 blood cells (10x PBMC 3k)" in links
    assert "A tiny model" in links
    assert f"model={model_id}" in links["A tiny model"].query_string
