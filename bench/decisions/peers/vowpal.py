"""Vowpal Wabbit's contextual bandits over described actions, with and without slots of its own.

Actions are described by their number, category and vector, the segment is shared,
and both are crossed.  An example to learn from names only the actions that were
shown: the others add nothing to what is learned of the one that was.
"""

from __future__ import annotations

import numpy as np
from vowpalwabbit import Workspace

from bench.decisions.peers.trials import Feed, Options, cells
from policy.arrays import Indices
from policy.simulation.shop import Feedback, Offer, Shape

VARIANTS = 16
CROSSED = "-q si -q sc -q sv --quiet -b 20"


def learn_trials(workspace: Workspace, shared: str, action: str, tries: float, clicks: float) -> None:
    """Learn from equal trials of an action as two examples, whose weights are given as inverses of the probability."""
    for cost, times in ((-1, clicks), (0, tries - clicks)):
        if times > 0:
            workspace.learn([shared, f"0:{cost}:{1.0 / times:.8f} {action}"])


class _Vowpal:
    kind = ""

    def __init__(self, shape: Shape, corrected: bool, seed: int, options: Options, *, text: bool) -> None:
        self._feed = Feed(shape, corrected, seed)
        flags = " ".join(f"--{name} {value}" for name, value in options.items())
        self._workspace = Workspace(f"{self.kind} {CROSSED} --random_seed {seed + 1} {flags}")
        self._text = text
        self._actions: list[str] = []

    def _meet(self, offer: Offer) -> list[str]:
        for at, row in enumerate(offer.rows.tolist()):
            if row == len(self._actions):
                self._actions.append(_action(offer, at, text=self._text))
        return [self._actions[row] for row in offer.rows.tolist()]


class CbExploreAdf(_Vowpal):
    """`--cb_explore_adf --squarecb`: a slate is drawn from the action probabilities without putting back."""

    kind = "--cb_explore_adf --squarecb"

    def observe(self, feedback: Feedback) -> None:
        """Equal trials of a batch are one example; its weight is given as the inverse of the probability."""
        counted = cells(self._feed.trials(feedback))
        for segment, row, tries, clicks in zip(*(column.tolist() for column in counted), strict=True):
            learn_trials(self._workspace, f"shared |s s{segment}", self._actions[row], tries, clicks)

    def slates(self, offer: Offer) -> Indices:
        """See `Learner`."""
        actions = self._meet(offer)
        rng = self._feed.rng
        scores = np.empty((self._feed.shape.segments, VARIANTS, len(actions)))
        for segment in range(len(scores)):
            chances = np.array(self._workspace.predict([f"shared |s s{segment}", *actions]))
            scores[segment] = np.log(np.maximum(chances, 1e-12)) + rng.gumbel(size=scores.shape[1:])
        return self._feed.placed(scores, offer)


class CcbExploreAdf(_Vowpal):
    """`--ccb_explore_adf --squarecb`: all slots of a page view chosen and learned together.

    One slate for each segment and update: a prediction looks at each action for each slot.
    """

    kind = "--ccb_explore_adf --squarecb"

    def observe(self, feedback: Feedback) -> None:
        """A page view is an example; a slot that was likely not looked at has no outcome in it."""
        examined = feedback.clicked | (self._feed.rng.random(feedback.clicked.shape) < self._feed.curve)
        for segment, rows, clicked, counts in zip(
            feedback.segments.tolist(),
            feedback.slates.tolist(),
            feedback.clicked.tolist(),
            examined.tolist(),
            strict=True,
        ):
            actions = [f"ccb action {self._actions[row]}" for row in rows]
            slots = [
                f"ccb slot {at}:{-int(click)}:1.0 |p p{at}" if count else f"ccb slot |p p{at}"
                for at, (click, count) in enumerate(zip(clicked, counts, strict=True))
            ]
            self._workspace.learn([f"ccb shared |s s{segment}", *actions, *slots])

    def slates(self, offer: Offer) -> Indices:
        """See `Learner`."""
        actions = [f"ccb action {action}" for action in self._meet(offer)]
        slots = [f"ccb slot |p p{at}" for at in range(self._feed.shape.slots)]
        chosen = np.empty((self._feed.shape.segments, 1, len(slots)), dtype=np.intp)
        for segment in range(len(chosen)):
            predictions = self._workspace.predict([f"ccb shared |s s{segment}", *actions, *slots])
            chosen[segment, 0] = [slot[0][0] for slot in predictions]
        return offer.rows[chosen]


def _action(offer: Offer, at: int, *, text: bool) -> str:
    named = f"|i i{offer.rows[at]} |c {offer.items[at].category}"
    if not text:
        return named
    vector = " ".join(f"d{place}:{value:.4f}" for place, value in enumerate(offer.vectors[at].tolist()))
    return f"{named} |v {vector}"
