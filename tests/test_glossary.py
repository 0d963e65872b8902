"""The terms of the app: each is a sentence, and what it links to is a page of the documentation."""

from __future__ import annotations

import json

import pytest

from genediff.core.installation import APP, ASSETS

TERMS = json.loads((ASSETS / "glossary.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_explained_and_its_page_is_there(term: str) -> None:
    about = TERMS[term]
    assert about["text"].endswith(".") and set(about) <= {"text", "also", "read"}
    if "read" in about:
        assert (APP / "docs" / "explanation" / f"{about['read']}.md").is_file()


def test_no_two_terms_share_a_form() -> None:
    forms = [form.lower() for term, about in TERMS.items() for form in (term, *about.get("also", ()))]
    assert not sorted({form for form in forms if forms.count(form) > 1})
