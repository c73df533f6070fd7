"""What time buckets weigh by their age: multiples of 2**-20, so that weighted sums of counts are exact integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from policy.model.posteriors import bucket_weights
from streams.state.arrays.parts import parts_of
from streams.state.arrays.tables import Table

ONE = 2**20
"""Weight 1 in the fixed point of weights."""


def weights(tables: Sequence[Table], half_life_ms: int) -> Mapping[range, int]:
    """The weight of each span of buckets in units of 2**-20: the mean of its buckets', over that of the newest span.

    A bucket's weight is halved per `half_life_ms` before the newest one.  Age counts from there, not from
    the clock, so that the same state gives the same layout.

    Against the weights of single buckets, a span's sum is off by the covariance of weight and count
    within it: by nothing where traffic is steady, and at most by the sum of what its buckets weigh above the
    mean, times how far their counts lie apart.  For half-lives of a bucket and more these sums are less than
    a tenth of the weight of all buckets together.
    """
    return _weights_of(frozenset[range]().union(*(part.spans for part in parts_of(tables))), half_life_ms)


@lru_cache(maxsize=1_000)
def _weights_of(some: frozenset[range], half_life_ms: int) -> Mapping[range, int]:
    spans = sorted(some, key=lambda span: span.start)
    if not spans:
        return {}
    newest = max(span[-1] for span in spans)
    shares = [float(bucket_weights(span, newest, half_life_ms).mean()) for span in spans]
    return {span: round(share / max(shares) * ONE) for span, share in zip(spans, shares, strict=True)}
