"""Time buckets that grow with age: spans of 1, 2, 4, 8, ... buckets, so that a key has about log2 of its days.

A span of 2**k buckets begins at a multiple of its length since 1970, and is formed once its end
lies at least its own length before the newest bucket of the log.  So spans partition time, grow
only into larger ones, and the three newest buckets stay alone.  Which span a bucket belongs to follows
from the time of the log; what Redis holds may be merged less far, and is read as if it were.

The longest span is so short that no half of one is beyond its life before the whole is formed:
buckets expire by whole spans, and what was dropped can never belong to a span that is still counted.
"""

from __future__ import annotations

from streams.settings import FoldSettings


def longest(fold: FoldSettings) -> int:
    """Buckets in the longest span: at most two thirds of those that a life has."""
    if not fold.bucket_ms:
        return 1
    return 1 << max(0, (2 * fold.bucket_ttl_ms // (3 * fold.bucket_ms)).bit_length() - 1)


def span_of(bucket: int, append_time: int, fold: FoldSettings) -> range:
    """The starts of the buckets in the span of `bucket` once the log has reached `append_time` (ms)."""
    width = fold.bucket_ms
    if not width:
        return range(bucket, bucket + 1)
    number, newest, most, length = bucket // width, append_time // width, longest(fold), 1
    while length < most and number - number % (2 * length) + 4 * length <= newest:
        length *= 2
    start = number - number % length
    return range(start * width, (start + length) * width, width)


def formed_at(span: range) -> int:
    """The time of the log at which a span of several buckets is formed, milliseconds."""
    return 2 * span.stop - span.start


def is_expired(bucket: int, append_time: int, fold: FoldSettings) -> bool:
    """Whether one bucket by itself is beyond its life once the log has reached `append_time` (ms)."""
    return fold.bucket_ms > 0 and bucket + fold.bucket_ms + fold.bucket_ttl_ms < append_time


def is_span_expired(bucket: int, append_time: int, fold: FoldSettings) -> bool:
    """Whether the span of `bucket` is beyond its life: it is a longest one then."""
    return fold.bucket_ms > 0 and append_time > last_of_life(bucket, fold)


def last_of_life(bucket: int, fold: FoldSettings) -> int:
    """The last time of the log (ms) at which the span of `bucket` is counted, where there are several buckets."""
    size = longest(fold) * fold.bucket_ms
    return bucket - bucket % size + size + fold.bucket_ttl_ms
