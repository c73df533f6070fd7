"""A contest's answer as text: one table over all shops, then what each shop's learners lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.decisions.contest import OURS

Table = dict[str, Any]
KEYS = {"with_embeddings": "yes", "without_embeddings": "no"}
HEAD = (
    f"{'shop':<11}{'texts':<6}{'page views':>10}{'clicks lost':>12}  {'ratio to the best peer':<50}"
    f"{'to the informed':<23}{'covered':>8}{'at the end':>12}{'best peer':>10}"
)
FOOT = (
    "texts: whether learners have text vectors; covered: 95 % intervals of attractiveness that hold the truth;",
    "at the end: clicks lost per 1,000 page views, in the last tenth of them",
)


def text_of(content: Table) -> str:
    """The whole answer."""
    lines = [f"means of {content['seeds']} shops of each kind", HEAD]
    lines += [_row(name, key, views, shop) for name, shop in content["shops"].items() for key, views in _places(shop)]
    lines += FOOT
    for name, shop in content["shops"].items():
        lines += [f"{name}: {note}" for note in shop["notes"]]
    for name, shop in content["shops"].items():
        for key, views in _places(shop):
            lines += ["", f"{name}, {key.replace('_', ' ')}, {int(views):,} page views", *_details(shop, key, views)]
        lines += [f"{name}: {line}" for line in (*_stopped(shop), *_of_texts(shop))]
    return "\n".join(lines)


def _places(shop: Table) -> Iterator[tuple[str, str]]:
    """With or without embeddings, and page views."""
    return ((key, views) for key, by_views in shop["regret"].items() for views in by_views)


def _row(name: str, key: str, views: str, shop: Table) -> str:
    rows, ratio = shop["regret"][key][views], shop["ratio_to_best_peer"][key].get(views)
    ends = [rows[learner]["per_view_at_end"]["mean"] for learner in (OURS, *([ratio["peer"]] if ratio else []))]
    ours, peer = (*(f"{1_000 * end:.2f}" for end in ends), "-")[:2]
    best = f"{reach_of(ratio)} {ratio['peer']}" if ratio else "-"
    informed, covered = reach_of(shop["ratio_to_informed"][key].get(views)), shop["coverage"][key][views]["mean"]
    return (
        f"{name:<11}{KEYS[key]:<6}{int(views):>10,}{rows[OURS]['mean']:>12,.0f}  {best:<50}"
        f"{informed:<23}{covered:>8.1%}{ours:>12}{peer:>10}"
    )


def reach_of(mean: Mapping[str, Any] | None) -> str:
    """A mean with its interval; a dash where there is none."""
    return f"{mean['mean']:.2f} ({mean['low']:.2f} to {mean['high']:.2f})" if mean else "-"


def _details(shop: Table, key: str, views: str) -> Iterator[str]:
    """What all learners lost, and how the policy did."""
    for learner, row in sorted(shop["regret"][key][views].items(), key=lambda pair: float(pair[1]["mean"])):
        mean, low, high = (round(row[name]) for name in ("mean", "low", "high"))
        yield f"  {learner:<34}{mean:>10,} clicks lost ({low:,} to {high:,})"
    for name, words in (
        ("ratio_to_best_peer", "to the best peer"),
        ("ratio_of_bound", "of the informed to the best peer"),
        ("ratio_of_delayed", "of delayed updates"),
    ):
        if ratio := shop[name][key].get(views):
            yield f"  ratio {words}: {ratio['mean']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"
    changes = shop["flicker"][key][views].items()
    shares = [f"{kind.replace('_', ' ')} {estimate['mean']:.1%}" for kind, estimate in changes if estimate]
    yield f"  slots that change per refresh: {', '.join(shares)}"
    yield f"  {shop['first_day_regret'][key][views]['mean']:,.1f} clicks lost by items in their first day"


def _stopped(shop: Table) -> Iterator[str]:
    for key, peers in shop["stopped"].items():
        for peer, race in peers.items():
            yield (
                f"{peer}, {key.replace('_', ' ')}, was stopped after {race['page_views']:,} page views, "
                f"{race['page_views_per_s']:,.0f} a second of the processor"
            )


def _of_texts(shop: Table) -> Iterator[str]:
    for name, what in (
        ("ratio_to_without_texts", "the policy loses"),
        ("first_day_regret_ratio", "items in their first day lose"),
        ("first_day_regret_ratio_since", "since the number before, items in their first day lose"),
    ):
        for views, ratio in shop[name].items():
            yield f"until {int(views):,} page views {what} {reach_of(ratio)} times as much with embeddings as without"
