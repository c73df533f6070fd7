"""Vowpal Wabbit's contextual bandit over shelves: each row of a page is a decision among the shelves that are left."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from vowpalwabbit import Workspace

from bench.decisions.peers.vowpal import learn_trials
from policy.arrays import Codes
from policy.pages.model.counts import ShelfCounts, by_row
from policy.simulation.pages.learners import ByRow

FLAGS = "--cb_explore_adf --squarecb -q sh -q rh -q sr --cubic srh --quiet -b 18"
"""Segment, row and shelf are crossed."""
GAMMA_SCALE, LEARNING_RATE = 1_000.0, 0.003
"""Those that lost least, of 100 to 100,000 and 0.001 to 0.5, on a page that is not in the race."""


@dataclass(slots=True, eq=False)
class RowByRow(ByRow):
    """`--cb_explore_adf --squarecb`: down the rows a shelf is drawn by its probability, without putting back."""

    gamma_scale: float = GAMMA_SCALE
    learning_rate: float = LEARNING_RATE
    _workspace: Workspace = field(init=False)
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        # Slots make another class of a dataclass, so `super()` without arguments knows the wrong one.
        ByRow.__post_init__(self)
        scale, rate = self.gamma_scale, self.learning_rate
        self._workspace = Workspace(f"{FLAGS} --gamma_scale {scale} --learning_rate {rate} --random_seed 1")
        self._rng = np.random.default_rng(7)

    def observe(self, counts: ShelfCounts) -> None:
        """Equal rows of a batch are one example; its weight is given as the inverse of the probability."""
        ByRow.observe(self, counts)
        starts = np.flatnonzero(self.page.column_of == 0)
        tries, clicked = counts.shelf_impressions[:, :, starts], by_row(self.page, counts.shelf_clicks)
        for segment, shelf, row in np.argwhere(tries > 0).tolist():
            cell = segment, shelf, row
            learn_trials(
                self._workspace, _shared(segment, row), f"|h h{shelf}", float(tries[cell]), float(clicked[cell])
            )

    def rows(self) -> Codes:
        """See `ByRow`."""
        rows, shelves, _ = self.page.shape
        actions = [f"|h h{shelf}" for shelf in range(shelves)]
        chosen = np.full((len(self.segments), self.choice.variants, rows), -1, dtype=np.int32)
        for segment in range(len(self.segments)):
            left = np.ones((self.choice.variants, shelves), dtype=np.bool_)
            for row in range(rows):
                chances = np.array(self._workspace.predict([_shared(segment, row), *actions]))
                scores = np.log(np.maximum(chances, 1e-12)) + self._rng.gumbel(size=left.shape)
                best = np.where(left, scores, -np.inf).argmax(axis=1)
                chosen[segment, :, row] = best
                left[np.arange(len(left)), best] = False
        return chosen


def _shared(segment: int, row: int) -> str:
    return f"shared |s s{segment} |r r{row}"
