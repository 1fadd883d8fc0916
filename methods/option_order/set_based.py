"""Set-based prompting: options that do not know their order."""

from __future__ import annotations

from dataclasses import dataclass

from methods.base import Method, Run
from methods.option_order._asking import Layout, asked
from tasks.option_order import Chooser, OptionItems


@dataclass(frozen=True, kw_only=True)
class SetBased(Method):
    """Set-based prompting (McIlroy-Young et al., NeurIPS 2024, arXiv 2406.06581), in the form without padding.

    The prefix of a tokens stands at positions 0 to a - 1, every option begins at a, and the suffix begins behind the
    longest option. A token of an option looks at the prefix and at what stands before it in its own option; the suffix
    looks at everything. What a layer computes at an option then depends on prefix and option alone, and the suffix
    attends to a set: no order is left. Either half alone leaves some, and neither is "as shown".

    Deviation from the paper:

    1. One set in a text; the authors' code also reads several.

    Args:
        share_positions: options begin at the same position.
        separate_options: options do not look at each other.
    """

    share_positions: bool
    separate_options: bool

    def solve(self, problem: OptionItems, run: Run) -> Chooser:
        """Nothing is learnt."""
        layout = Layout(share_positions=self.share_positions, separate_options=self.separate_options)
        return lambda questions: asked(problem, questions, layout)
