"""The trial of a page brought to its end: policies that are worse for certain are dropped, the last is promoted.

A branch that is dropped keeps its units and gets the best policy, so all others go on with the units that they had.
Nothing is ever put in force but a policy that the trial began with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from policy.experiments.elimination import Standing, pair_level, standings
from policy.experiments.sequence import METRICS
from reshelf.namespaces.open_state import open_state
from reshelf.numbers import between, figures, number
from reshelf.rules import topic
from reshelf.settings import Settings
from schemas.errors import ReshelfError
from schemas.messages.pages import MAIN, Branch, PageRules, PolicyChoice
from streams.layouts.branches import shares_of
from streams.state.arrays.experiment_bins import BucketBins, sides

AUTHOR = "autopilot"
REASON_CHARACTERS = 256


class Race(NamedTuple):
    """The trial of a page: its rules when it began and now, and the branches with the policy that they began with."""

    began: PageRules
    now: PageRules
    names: list[str]


class Interval(msgspec.Struct, frozen=True):
    """A branch of a certificate: its page views, outcome per page view, and gain over the best with its interval.

    What is unknown is None; `standing` is best, in the race, dropped, or dropped before.
    """

    name: str
    standing: str
    views: int | None = None
    rate: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    split_p_value: float | None = None


class Certificate(msgspec.Struct, frozen=True):
    """What was compared, when, how sure, and what followed; `action` is none, drop or promote.

    All intervals of the trial hold together, at all times, with probability `level`, as each does with `pair_level`.
    """

    page: str
    goal: str
    action: str
    best: str | None
    level: float
    pair_level: float
    counted_since_ms: int
    decided_at_ms: int
    trial_began_with_version: int
    version_before: int
    version_after: int | None
    branches: list[Interval]
    policies: dict[str, PolicyChoice]
    """Those in force after it, by branch."""
    templates: dict[str, str] = {}
    """Those in force after it, by branch, where the page has several."""

    @property
    def dropped(self) -> list[Interval]:
        """The branches that this decision drops."""
        return [branch for branch in self.branches if branch.standing == "dropped"]

    def reason(self) -> str:
        """In words, for the history of the rules."""
        drops = ", ".join(
            f"{branch.name} ({between(branch.low, branch.high)} of {number(branch.views)} page views)"
            for branch in self.dropped
        )
        words = f"{drops} worse in {self.goal} than {self.best} for certain ({figures(self.level)})"
        return (f"promoted {self.best}: {words}" if self.action == "promote" else f"dropped {words}")[
            :REASON_CHARACTERS
        ]


class Treatment(NamedTuple):
    """What the units of a branch get: a policy, and the template that it fills, empty on a page that has none."""

    policy: PolicyChoice
    template: str


def treatments_of(rules: PageRules) -> dict[str, Treatment]:
    """What is on trial on a page by branch, its own first; a shadow belongs to the page and not to a policy."""
    branches = {MAIN: None} | {branch.name: branch for branch in rules.branches}
    return {name: _treatment(rules, branch) for name, branch in branches.items()}


def _treatment(rules: PageRules, branch: Branch | None) -> Treatment:
    policy = msgspec.structs.replace(branch.policy if branch else rules.policy, shadow="")
    return Treatment(policy, "" if rules.templates is UNSET else rules.template_of(branch))


def race_of(versions: Sequence[PageRules]) -> Race:
    """The trial that the newest version is of; raises ReshelfError where somebody changed a policy of it meanwhile."""
    now = versions[-1]
    if ruled := [rule.name for rule in now.rules if rule.branches is not UNSET]:
        raise ReshelfError(
            f"page {now.page!r}: {', '.join(ruled)} is on trial, and policies alone are dropped and promoted. Look at "
            "`reshelf experiment branches`, then leave out the rule, or its `branches` so that it holds for all."
        )
    run = list(takewhile(lambda rules: _units(rules) == _units(now), reversed(versions)))
    began, declared = run[-1], treatments_of(run[-1])
    for rules in run:
        strange = [name for name, choice in treatments_of(rules).items() if choice not in declared.values()]
        if strange:
            raise ReshelfError(
                f"page {now.page!r}: version {rules.version} by {rules.author or 'somebody'} changed the policy or "
                f"template of {', '.join(strange)}, so its counts are those of both. Begin a new trial with another "
                "branch_salt."
            )
    if len(set(declared.values())) < len(declared):
        raise ReshelfError(
            f"page {now.page!r}: two of {', '.join(declared)} have the same policy and template. Leave one out."
        )
    same = [name for name in declared if all(treatments_of(rules)[name] == declared[name] for rules in run)]
    return Race(began, now, same)


def _units(rules: PageRules) -> tuple[str, list[tuple[str, float]]]:
    """What decides which units a branch has."""
    return rules.branch_salt, [(branch.name, branch.share) for branch in rules.branches]


def decide(race: Race, bins: BucketBins, since_ms: int, goal: str, level: float, now_ms: int) -> Certificate:
    """What the counts since the trial began, in whole time buckets, say of it; `version_after` is None."""
    since, shares = max(since_ms, race.began.published_at), shares_of(race.now)
    learned = sides(bins, since).learned
    best, results = standings(learned, race.now.branch_salt, shares, race.names, METRICS[goal], level)
    dropped = [name for name, standing in results.items() if standing.dropped]
    left = [name for name in race.names if name not in dropped]
    action = "promote" if dropped and len(left) == 1 else "drop" if dropped else "none"
    after = following(race.now, dropped, best) if best and dropped else race.now
    treatments = treatments_of(after)
    return Certificate(
        page=race.now.page,
        goal=goal,
        action=action,
        best=best,
        level=level,
        pair_level=pair_level(level, len(shares)),
        counted_since_ms=since,
        decided_at_ms=now_ms,
        trial_began_with_version=race.began.version,
        version_before=race.now.version,
        version_after=None,
        branches=[_interval(name, results.get(name), best) for name in shares],
        policies={name: own.policy for name, own in treatments.items()},
        templates={name: own.template for name, own in treatments.items() if own.template},
    )


def following(rules: PageRules, dropped: Sequence[str], best: str) -> PageRules:
    """The rules after branches were dropped: they, and those that had their policies, get that of the best.

    Where all have the same then, the trial is over, and it is the page's own.
    """
    before = treatments_of(rules)
    gone = [before[name] for name in dropped]
    after = {name: before[best] if own in gone else own for name, own in before.items()}
    policy = msgspec.structs.replace(after[MAIN].policy, shadow=rules.policy.shadow)
    over = all(own == before[best] for own in after.values())
    branches = [_given(branch, after[branch.name]) for branch in rules.branches]
    try:
        return msgspec.structs.replace(
            rules, policy=policy, template=after[MAIN].template or rules.template, branches=[] if over else branches
        )
    except ValueError as error:
        raise ReshelfError(
            f"page {rules.page!r}: with the policy of {best} in place of {', '.join(dropped)} the rules are not valid: "
            f"{error}. Lower policy.variants of {best}."
        ) from None


def _given(branch: Branch, treatment: Treatment) -> Branch:
    """The branch with a treatment; it names its template where there are some, as that of the page may change."""
    return msgspec.structs.replace(branch, policy=treatment.policy, template=treatment.template or branch.template)


def _interval(name: str, standing: Standing | None, best: str | None) -> Interval:
    if standing is None:
        return Interval(name, "dropped before")
    where = "best" if name == best else "dropped" if standing.dropped else "in the race"
    rate = standing.rate if standing.views else None
    if standing.against_best is None or standing.sample_ratio is None:
        return Interval(name, where, standing.views, rate)
    against, p_value = standing.against_best, standing.sample_ratio.p_value
    if against.high == float("inf"):
        return Interval(name, where, standing.views, rate, split_p_value=p_value)
    return Interval(name, where, standing.views, rate, against.uplift, against.low, against.high, p_value)


async def certificate_of(
    settings: Settings, race: Race, goal: str, level: float, now_ms: int
) -> tuple[Certificate, Settings]:
    """What the state says of a trial now, and the settings that the state was made with."""
    async with open_state(settings) as state:
        bins = await state.reader.read_bins(race.now.page)
    return decide(race, bins, state.settings.experiment.since_ms, goal, level, now_ms), state.settings


def carry_out(settings: Settings, race: Race, certificate: Certificate) -> Certificate:
    """Publish what a certificate says; raises `Overtaken` where somebody published in the meantime."""
    if certificate.action == "none" or certificate.best is None:
        return certificate
    after = following(race.now, [branch.name for branch in certificate.dropped], certificate.best)
    (published,) = topic.publish(
        settings.kafka,
        [after],
        AUTHOR,
        certificate.reason(),
        certificate.decided_at_ms,
        base={race.now.page: race.now.version},
    )
    return msgspec.structs.replace(certificate, version_after=published.version)


def as_json(certificate: Certificate) -> Mapping[str, Any]:
    """As JSON has it."""
    content: dict[str, Any] = msgspec.to_builtins(certificate)
    return content
