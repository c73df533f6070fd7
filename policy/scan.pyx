# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What is done for each arm and variant in one pass: the same numbers and slates as numpy's, without many small arrays.

Products and sums are not contracted (see pyproject.toml), which would round differently.
"""

from libc.math cimport INFINITY, sqrt
from libc.stdint cimport int32_t, uint8_t

cdef enum:
    GONE = 1
    BANNED = 2


def fill(
    int32_t[:, ::1] slates,
    const double[:, ::1] scores,
    const uint8_t[:, ::1] banned,
    const Py_ssize_t[::1] variants,
    const int32_t[::1] order,
    const int32_t[:, ::1] capped,
    const int32_t[::1] most,
    const int32_t[:, ::1] spaced,
    const int32_t[::1] distances,
    const uint8_t[:, ::1] places,
    const int32_t[:, ::1] complements,
    double together,
    int32_t[:, ::1] counts,
    uint8_t[::1] shut,
    const int32_t[::1] all_arms,
    int32_t[::1] short,
):
    """`policy.greedy`: fill what is empty (-1) in the rows `variants` of `slates` [V, S], in place.

    `scores` and `banned` are [V, A]; `capped` and `spaced` are codes [R, A] and
    [Q, A], -1 for none, with their limits; `places` [S, A] says where arms may stand;
    `complements` [A, C] are arms, -1 for none.  `counts` [R, codes] and `shut` [A]
    are room to work in: why an arm may not come any more, a bit for each reason.
    `all_arms` counts from 0 to A - 1.

    In `short` are the best arms that may still come, wherever: as caps only fill up, none outside
    it can come to be better, but for complements of neighbours, which are looked at besides.
    Where none in it may stand in a slot, it is made anew, then all arms are looked at.
    """
    cdef Py_ssize_t at, place, variant, slot, listed
    cdef int32_t chosen
    cdef int giving
    for at in range(variants.shape[0]):
        variant = variants[at]
        listed = 0
        _begin(slates, scores, banned, variant, capped, counts, shut)
        for place in range(order.shape[0]):
            slot = order[place]
            if slates[variant, slot] >= 0:
                continue
            chosen = -1
            for giving in range(-2, 5):
                if giving == -1:
                    listed = _list(short, scores, variant, capped, most, counts, shut)
                if giving < 0:
                    chosen = _best(
                        slates, scores, short, listed, variant, slot, capped, most, spaced, distances, places,
                        complements, together, counts, shut, 0,
                    )
                else:
                    chosen = _best(
                        slates, scores, all_arms, all_arms.shape[0], variant, slot, capped, most, spaced, distances,
                        places, complements, together, counts, shut, giving,
                    )
                if chosen >= 0:
                    break
            if chosen >= 0:
                slates[variant, slot] = chosen
                _count(chosen, capped, counts, shut)


cdef Py_ssize_t _list(
    int32_t[::1] short,
    const double[:, ::1] scores,
    Py_ssize_t variant,
    const int32_t[:, ::1] capped,
    const int32_t[::1] most,
    int32_t[:, ::1] counts,
    uint8_t[::1] shut,
) noexcept:
    """Put the best arms into `short` that neither exposure nor caps keep off, best first; how many."""
    cdef Py_ssize_t place, found = 0, room = short.shape[0]
    cdef int32_t arm
    cdef double worth
    for arm in range(<int32_t>scores.shape[1]):
        worth = scores[variant, arm]
        if found == room and worth <= scores[variant, short[room - 1]]:
            continue
        if shut[arm] or _is_full(arm, capped, most, counts):
            continue
        place = found if found < room else room - 1
        while place > 0 and scores[variant, short[place - 1]] < worth:
            short[place] = short[place - 1]
            place -= 1
        short[place] = arm
        if found < room:
            found += 1
    return found


cdef void _begin(
    int32_t[:, ::1] slates,
    const double[:, ::1] scores,
    const uint8_t[:, ::1] banned,
    Py_ssize_t variant,
    const int32_t[:, ::1] capped,
    int32_t[:, ::1] counts,
    uint8_t[::1] shut,
) noexcept:
    """Nothing used but what stands in the slate already."""
    cdef Py_ssize_t arm, rule, slot
    for arm in range(shut.shape[0]):
        shut[arm] = (GONE if scores[variant, arm] == -INFINITY else 0) | (BANNED if banned[variant, arm] else 0)
    for rule in range(counts.shape[0]):
        for slot in range(counts.shape[1]):
            counts[rule, slot] = 0
    for slot in range(slates.shape[1]):
        if slates[variant, slot] >= 0:
            _count(slates[variant, slot], capped, counts, shut)


cdef void _count(int32_t arm, const int32_t[:, ::1] capped, int32_t[:, ::1] counts, uint8_t[::1] shut) noexcept:
    cdef Py_ssize_t rule
    shut[arm] |= GONE
    for rule in range(capped.shape[0]):
        if capped[rule, arm] >= 0:
            counts[rule, capped[rule, arm]] += 1


cdef bint _is_full(
    int32_t arm, const int32_t[:, ::1] capped, const int32_t[::1] most, int32_t[:, ::1] counts
) noexcept:
    cdef Py_ssize_t rule
    for rule in range(capped.shape[0]):
        if capped[rule, arm] >= 0 and counts[rule, capped[rule, arm]] >= most[rule]:
            return True
    return False


cdef int32_t _best(
    int32_t[:, ::1] slates,
    const double[:, ::1] scores,
    const int32_t[::1] arms,
    Py_ssize_t listed,
    Py_ssize_t variant,
    Py_ssize_t slot,
    const int32_t[:, ::1] capped,
    const int32_t[::1] most,
    const int32_t[:, ::1] spaced,
    const int32_t[::1] distances,
    const uint8_t[:, ::1] places,
    const int32_t[:, ::1] complements,
    double together,
    int32_t[:, ::1] counts,
    uint8_t[::1] shut,
    int giving,
) noexcept:
    """The best of the `listed` first arms allowed with so many kinds of rules given way, the lower number among equals; or -1.

    With none given way, complements of what stands next to the slot are among them if any is, and lifted.
    """
    cdef int32_t arm, best = -1
    cdef Py_ssize_t at, beside, column
    cdef double worth, highest = -INFINITY
    cdef uint8_t refused = GONE | (BANNED if giving < 3 else 0)
    for at in range(listed):
        arm = arms[at]
        worth = scores[variant, arm]
        if worth < highest or (worth == highest and (best < arm or worth == -INFINITY)):
            continue
        if not shut[arm] & refused and _fits(
            slates, arm, variant, slot, capped, most, spaced, distances, places, counts, giving
        ):
            best, highest = arm, worth
    if giving > 0 or best < 0:
        return best
    for beside in range(max(0, slot - 1), min(slates.shape[1], slot + 2)):
        if beside == slot or slates[variant, beside] < 0:
            continue
        for column in range(complements.shape[1]):
            arm = complements[slates[variant, beside], column]
            if arm < 0 or shut[arm] & refused:
                continue
            worth = scores[variant, arm] * together
            if arm == best:
                highest = worth
            elif worth > highest or (worth == highest and arm < best):
                if _fits(slates, arm, variant, slot, capped, most, spaced, distances, places, counts, giving):
                    best, highest = arm, worth
    return best


cdef bint _fits(
    int32_t[:, ::1] slates,
    int32_t arm,
    Py_ssize_t variant,
    Py_ssize_t slot,
    const int32_t[:, ::1] capped,
    const int32_t[::1] most,
    const int32_t[:, ::1] spaced,
    const int32_t[::1] distances,
    const uint8_t[:, ::1] places,
    int32_t[:, ::1] counts,
    int giving,
) noexcept:
    """Whether places, caps and spacing let the arm into the slot, as far as they have not given way."""
    if giving < 4 and not places[slot, arm]:
        return False
    if giving < 2 and _is_full(arm, capped, most, counts):
        return False
    return giving > 0 or not _is_near(slates, variant, slot, arm, spaced, distances)


cdef bint _is_near(
    int32_t[:, ::1] slates,
    Py_ssize_t variant,
    Py_ssize_t slot,
    int32_t arm,
    const int32_t[:, ::1] spaced,
    const int32_t[::1] distances,
) noexcept:
    cdef Py_ssize_t rule, near, first, last
    for rule in range(spaced.shape[0]):
        if spaced[rule, arm] < 0:
            continue
        first, last = max(0, slot - distances[rule] + 1), min(slates.shape[1], slot + distances[rule])
        for near in range(first, last):
            if near != slot and slates[variant, near] >= 0 and spaced[rule, slates[variant, near]] == spaced[rule, arm]:
                return True
    return False


def top(
    int32_t[:, ::1] slates,
    const double[:, ::1] scores,
    const Py_ssize_t[::1] canonical,
    const Py_ssize_t[::1] order,
    double[::1] best,
):
    """`policy.slates.slates` from `scores` [A, V] into `slates` [V, S], filled with -1.

    Of equal scores the arm that is first in `canonical` goes first; `order` are the slots to be
    filled, the first with the best; `best` [slots to be filled] is room to work in.
    """
    cdef Py_ssize_t variant, at, arm, place, found, most = order.shape[0]
    cdef double score
    for variant in range(slates.shape[0]):
        found = 0
        for at in range(canonical.shape[0]):
            arm = canonical[at]
            score = scores[arm, variant]
            # What is not a number compares as false, too.
            if not score > -INFINITY or (found == most and score <= best[most - 1]):
                continue
            place = found if found < most else most - 1
            while place > 0 and best[place - 1] < score:
                best[place] = best[place - 1]
                slates[variant, order[place]] = slates[variant, order[place - 1]]
                place -= 1
            best[place] = score
            slates[variant, order[place]] = <int32_t>arm
            if found < most:
                found += 1


def beta(
    double[:, ::1] draws, const double[::1] a, const double[::1] b, const double[:, :, ::1] z, double scale
):
    """`policy.sampling.beta_draws` into `draws` [A, V], in the same order of operations, so to the last bit."""
    cdef Py_ssize_t arm, variant
    cdef double wide_a, wide_b, low_a, low_b, hits, total, root, middle
    for arm in range(draws.shape[0]):
        wide_a, wide_b = scale / (3.0 * sqrt(a[arm])), scale / (3.0 * sqrt(b[arm]))
        low_a, low_b = 1.0 - scale * scale / (9.0 * a[arm]), 1.0 - scale * scale / (9.0 * b[arm])
        middle = a[arm] / (a[arm] + b[arm])
        for variant in range(draws.shape[1]):
            root = z[0, arm, variant] * wide_a + low_a
            root = root if root > 0.0 else 0.0
            hits = a[arm] * (root * root * root)
            root = z[1, arm, variant] * wide_b + low_b
            root = root if root > 0.0 else 0.0
            total = hits + b[arm] * (root * root * root)
            draws[arm, variant] = hits / total if total > 0.0 else middle
