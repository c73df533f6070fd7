# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""`policy.greedy` in one pass over the arms for each slot: the same slates, without the cost of many small arrays."""

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, uint8_t

cdef enum:
    GONE = 1
    BANNED = 2


def fill(
    int32_t[:, ::1] slates,
    const double[:, ::1] scores,
    const uint8_t[:, ::1] banned,
    const int32_t[:, ::1] short,
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
):
    """Fill what is empty (-1) in the rows `variants` of `slates` [V, S], in place.

    `scores` and `banned` are [V, A], `short` [V, K] the best arms of each variant, best
    first, where an allowed one beats every arm that is not in it; `capped` and `spaced` are codes [R, A] and
    [Q, A], -1 for none, with their limits; `places` [S, A] says where arms may stand;
    `complements` [A, C] are arms, -1 for none.  `counts` [R, codes] and `shut` [A]
    are room to work in: why an arm may not come any more, a bit for each reason.
    `all_arms` counts from 0 to A - 1.
    """
    cdef Py_ssize_t at, place, variant, slot
    cdef int32_t chosen
    cdef int giving
    for at in range(variants.shape[0]):
        variant = variants[at]
        _begin(slates, scores, banned, variant, capped, counts, shut)
        for place in range(order.shape[0]):
            slot = order[place]
            if slates[variant, slot] >= 0:
                continue
            chosen = _best(
                slates, scores, short[variant], variant, slot, capped, most, spaced, distances, places, complements,
                together, counts, shut, 0,
            )
            for giving in range(5):
                if chosen >= 0:
                    break
                chosen = _best(
                    slates, scores, all_arms, variant, slot, capped, most, spaced, distances, places, complements,
                    together, counts, shut, giving,
                )
            if chosen >= 0:
                slates[variant, slot] = chosen
                _count(chosen, capped, counts, shut)


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
    """The best of `arms` allowed with so many kinds of rules given way, the lower number among equals; or -1."""
    cdef int32_t arm, best = -1
    cdef Py_ssize_t at
    cdef double worth, highest = -INFINITY
    cdef bint beside = giving == 0 and _has_complements(slates, variant, slot, complements)
    cdef uint8_t refused = GONE | (BANNED if giving < 3 else 0)
    for at in range(arms.shape[0]):
        arm = arms[at]
        worth = scores[variant, arm]
        if worth < highest:
            if not beside or worth * together < highest:
                continue
        if shut[arm] & refused:
            continue
        if beside and _is_beside(slates, variant, slot, complements, arm):
            worth = worth * together
        if worth < highest or (worth == highest and (best < arm or worth == -INFINITY)):
            continue
        if giving < 4 and not places[slot, arm]:
            continue
        if giving < 2 and _is_full(arm, capped, most, counts):
            continue
        if giving < 1 and _is_near(slates, variant, slot, arm, spaced, distances):
            continue
        best, highest = arm, worth
    return best


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


cdef bint _has_complements(
    int32_t[:, ::1] slates, Py_ssize_t variant, Py_ssize_t slot, const int32_t[:, ::1] complements
) noexcept:
    """Whether what stands next to the slot has any; they fill a row from its beginning."""
    if complements.shape[1] == 0:
        return False
    if slot > 0 and slates[variant, slot - 1] >= 0 and complements[slates[variant, slot - 1], 0] >= 0:
        return True
    return slot + 1 < slates.shape[1] and slates[variant, slot + 1] >= 0 and complements[slates[variant, slot + 1], 0] >= 0


cdef bint _is_beside(
    int32_t[:, ::1] slates, Py_ssize_t variant, Py_ssize_t slot, const int32_t[:, ::1] complements, int32_t arm
) noexcept:
    cdef Py_ssize_t column
    if slot > 0 and slates[variant, slot - 1] >= 0:
        for column in range(complements.shape[1]):
            if complements[slates[variant, slot - 1], column] == arm:
                return True
    if slot + 1 < slates.shape[1] and slates[variant, slot + 1] >= 0:
        for column in range(complements.shape[1]):
            if complements[slates[variant, slot + 1], column] == arm:
                return True
    return False
