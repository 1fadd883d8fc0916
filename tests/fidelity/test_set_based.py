"""Set-based prompting against the authors' positions and masks.

The reference was made with `get_position_ids_nopad_n_options` and `get_attention_mask_2d_n_options` of
`reidmcy/set-based-prompting` at ea5b13cbc37e01501af63dcb843b537783db51d5 (TensorFlow 2.21), for a prefix of 3 tokens,
options of 2, 3, 1 and 2 tokens and a suffix of 2, all with an attention mask of ones.
"""

from __future__ import annotations

import torch

from methods.option_order._asking import Layout
from methods.option_order.set_based import SetBased
from tasks.option_order import Question

POSITIONS = [0, 1, 2, 3, 4, 3, 4, 5, 3, 3, 4, 6, 7]
MASK = """
1000000000000
1100000000000
1110000000000
1111000000000
1111100000000
1110010000000
1110011000000
1110011100000
1110000010000
1110000001000
1110000001100
1111111111110
1111111111111
"""
QUESTION = Question((7, 7, 7), ((1, 2), (1, 3, 5), (1,), (1, 4)), (9, 9))
METHOD = SetBased(share_positions=True, separate_options=True)
LAYOUT = Layout(share_positions=METHOD.share_positions, separate_options=METHOD.separate_options)


def test_positions_are_those_of_the_authors() -> None:
    assert LAYOUT.positions(QUESTION).tolist() == POSITIONS


def test_the_mask_is_that_of_the_authors() -> None:
    expected = torch.tensor([[mark == "1" for mark in row] for row in MASK.split()])
    assert torch.equal(LAYOUT.attention(QUESTION), expected)
