"""What is estimated of other arrangements of shelves, on simulated pages whose truth is known."""

from __future__ import annotations

from bench.evaluation.arrangements import ArrangementPlan, Tally, answers, shelf_log
from tests.all_tests import if_all


@if_all
def test_estimates_are_near_the_truth_or_refused_and_their_intervals_hold() -> None:
    """Without exploration few exchanges are answered, with it more."""
    for slates in (0, 8):
        tally = Tally()
        for seed in range(4):
            for answer in answers(shelf_log(ArrangementPlan(exploration_slates=slates), seed)):
                tally.add(answer)
        assert tally.errors and tally.refused
        assert max(tally.errors) <= 0.03
        assert tally.covered >= 0.93 * len(tally.errors)
        assert tally.gains_covered >= 0.93 * len(tally.errors)


def test_a_log_answers_some_exchanges_and_refuses_others() -> None:
    plan = ArrangementPlan(segments=2, before=2_000, views=8_000, parts=8, rows=4, exploration_slates=8)
    log = shelf_log(plan, 1)
    assert sum(part.views.sum() for part in log.parts) == 8_000
    tally = Tally()
    for answer in answers(log):
        assert bool(answer.estimate.refused) is (answer.estimate.lacking > 0.01)
        tally.add(answer)
    assert len(tally.errors) + tally.refused == 6
    assert all(error < 0.1 for error in tally.errors)
