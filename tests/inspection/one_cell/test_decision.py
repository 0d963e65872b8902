"""Every path of the decision tree ends somewhere that exists."""

from __future__ import annotations

import pytest

from genediff.inspection.one_cell.decision import ROOT, advice, questions
from genediff.inspection.one_cell.strategy_notes import OPINIONS
from genediff.tokenizers import TOKENIZERS
from genediff.training.presets import PRESETS

ENDS = list(advice(ROOT))


@pytest.mark.parametrize("end", ENDS, ids=lambda end: f"{end.strategy}-{end.preset}-{len(end.extra)}")
def test_an_end_names_a_strategy_and_a_preset_for_it(end):
    assert end.strategy in TOKENIZERS
    assert not PRESETS[end.preset].strategies or end.strategy in PRESETS[end.preset].strategies
    assert set(end.extra) <= set(TOKENIZERS[end.strategy].needs)


def test_every_strategy_is_recommended_to_somebody():
    assert {end.strategy for end in ENDS} == set(OPINIONS)


def test_questions_have_ids_of_their_own_and_answers_to_choose_from():
    asked = list(questions(ROOT))
    assert len({one.id for one in asked}) == len(asked)
    assert all(len(one.answers) >= 2 for one in asked)


def test_no_path_asks_more_than_four_questions():
    def depth(node):
        return 1 + max(depth(one) for one in node.answers.values()) if hasattr(node, "answers") else 0

    assert depth(ROOT) <= 4
