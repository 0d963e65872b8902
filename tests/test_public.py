"""The public face: every promised name is there, and stays where users import it from."""

from __future__ import annotations

import pytest

import genediff


@pytest.mark.parametrize("name", genediff.__all__)
def test_every_public_name_is_there_and_described(name: str) -> None:
    thing = getattr(genediff, name)
    assert name in dir(genediff)
    if callable(thing):
        assert thing.__doc__


def test_the_list_is_whole_and_unknown_names_are_said() -> None:
    assert set(genediff.__all__) == set(genediff._HOMES)
    with pytest.raises(AttributeError, match="has no 'Genediff'"):
        genediff.Genediff  # noqa: B018
