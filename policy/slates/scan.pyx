# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What is done for each arm and variant in one pass: the same numbers and slates as numpy's, without many small arrays.

Products and sums are not contracted (see pyproject.toml), which would round differently.
"""

from libc.math cimport INFINITY, sqrt
from libc.stdint cimport int32_t, uint8_t

from numpy import uint8

cdef enum:
    # Why an arm may not come any more.
    GONE = 1
    BANNED = 2

cdef enum:
    # `policy.rules.order.Relaxation`.
    SPACING = 1
    CAP = 2
    EXPOSURE = 3
    PLACEMENT = 4
    LAST = PLACEMENT

RELAXATION = {"SPACING": SPACING, "CAP": CAP, "EXPOSURE": EXPOSURE, "PLACEMENT": PLACEMENT}

cdef enum:
    # Before all arms are looked at with all rules: the shortlist, and the shortlist made anew.
    SHORTLIST = -2
    NEW_SHORTLIST = -1


cdef class Filler:
    """`policy.slates.greedy`: the slates of one composition, filled in place.

    `scores` are [V, A] and `order` [V, N] the slots to be filled, first the one most looked at, -1 for none; `rules` are
    `policy.rules.compiled.CompiledRules` for these arms and slots; `alike` are the arms' categories [A], what
    is left of scores beside so many of the same one [V, S + 1], and room to count these in.
    `all_arms` counts from 0 to A - 1; `counts` [caps, codes], `closed` [A] and `shortlist` are room to work in.
    """

    cdef const double[:, ::1] scores
    cdef const int32_t[::1] cap_limits, distances, all_arms, kinds
    cdef const double[:, ::1] shares
    cdef const int32_t[:, ::1] order, cap_codes, spacing_codes, complements
    cdef const uint8_t[:, ::1] allowed, cap_slots
    # Whether a cap is about all slots.
    cdef const uint8_t[::1] page_wide
    cdef double complement_factor
    cdef int32_t[:, ::1] slates, counts
    cdef int32_t[::1] shortlist, standing
    # Why an arm may not come any more, a bit for each reason.
    cdef uint8_t[::1] closed
    cdef Py_ssize_t variant
    # What the last arm in `shortlist` was worth when it was made and which it is, where there may be more arms.
    cdef double floor
    cdef int32_t last

    def __init__(self, scores, order, rules, alike, all_arms, counts, closed, shortlist):
        self.scores, self.order = scores, order
        self.cap_codes, self.cap_limits = rules.caps.codes, rules.caps.most
        self.cap_slots = rules.caps.slots.view(uint8)
        self.page_wide = rules.caps.page_wide.view(uint8)
        self.spacing_codes, self.distances = rules.spacings.codes, rules.spacings.distances
        self.allowed = rules.placements.allowed.view(uint8)
        self.complements, self.complement_factor = rules.complements.arms, rules.complements.factor
        self.kinds, self.shares, self.standing = alike
        self.all_arms = all_arms
        self.counts, self.closed, self.shortlist = counts, closed, shortlist

    def fill(self, int32_t[:, ::1] slates, const uint8_t[:, ::1] banned, const Py_ssize_t[::1] variants):
        """Fill what is empty (-1) in the rows `variants` of `slates` [V, S]; `banned` is [V, A].

        In `shortlist` are the best arms that may still come, wherever: as caps only fill up, none outside
        it can come to be better, but for complements of neighbours, which are looked at besides, and where those in
        it are worth less beside others of their category: then it is made anew, with what is left of scores by now.
        Where none in it may stand in a slot, it is made anew, then all arms are looked at.
        """
        cdef Py_ssize_t at, place, slot, listed
        cdef int32_t chosen
        cdef int level
        self.slates = slates
        for at in range(variants.shape[0]):
            self.variant = variants[at]
            listed = 0
            self._begin(banned)
            for place in range(self.order.shape[1]):
                slot = self.order[self.variant, place]
                if slot < 0 or slates[self.variant, slot] >= 0:
                    continue
                chosen = -1
                for level in range(SHORTLIST, LAST + 1):
                    if level == NEW_SHORTLIST:
                        listed = self._list()
                    if level < 0:
                        chosen = self._best(self.shortlist, listed, slot, 0)
                    else:
                        chosen = self._best(self.all_arms, self.all_arms.shape[0], slot, level)
                    if chosen >= 0 and (level != SHORTLIST or not self._is_passed(chosen)):
                        break
                if chosen >= 0:
                    slates[self.variant, slot] = chosen
                    self._count(chosen, slot)

    cdef void _begin(self, const uint8_t[:, ::1] banned) noexcept:
        """Nothing used but what stands in the slate already."""
        cdef Py_ssize_t arm, rule, slot
        for arm in range(self.closed.shape[0]):
            self.closed[arm] = (GONE if self.scores[self.variant, arm] == -INFINITY else 0) | (
                BANNED if banned[self.variant, arm] else 0
            )
        for rule in range(self.counts.shape[0]):
            for slot in range(self.counts.shape[1]):
                self.counts[rule, slot] = 0
        for slot in range(self.standing.shape[0]):
            self.standing[slot] = 0
        for slot in range(self.slates.shape[1]):
            if self.slates[self.variant, slot] >= 0:
                self._count(self.slates[self.variant, slot], slot)

    cdef void _count(self, int32_t arm, Py_ssize_t slot) noexcept:
        cdef Py_ssize_t rule
        self.closed[arm] |= GONE
        if self.kinds[arm] >= 0:
            self.standing[self.kinds[arm]] += 1
        for rule in range(self.cap_codes.shape[0]):
            if self.cap_codes[rule, arm] >= 0 and self.cap_slots[rule, slot]:
                self.counts[rule, self.cap_codes[rule, arm]] += 1

    cdef double _value(self, int32_t arm) noexcept:
        """What is left of the arm's score beside those of its category."""
        cdef double score = self.scores[self.variant, arm]
        if self.kinds[arm] < 0:
            return score
        return score * self.shares[self.variant, self.standing[self.kinds[arm]]]

    cdef bint _is_passed(self, int32_t arm) noexcept:
        """Whether an arm outside `shortlist` may have come to be better."""
        cdef double value = self._value(arm)
        return value < self.floor or (value == self.floor and arm > self.last)

    cdef Py_ssize_t _list(self) noexcept:
        """Put the best arms into `shortlist` that neither exposure nor caps keep off the page, best first; how many."""
        cdef Py_ssize_t place, count = 0, room = self.shortlist.shape[0]
        cdef int32_t arm
        cdef double value
        cdef int32_t[::1] shortlist = self.shortlist
        for arm in range(<int32_t>self.scores.shape[1]):
            value = self._value(arm)
            if count == room and value <= self._value(shortlist[room - 1]):
                continue
            if self.closed[arm] or self._is_full(arm, -1):
                continue
            place = count if count < room else room - 1
            while place > 0 and self._value(shortlist[place - 1]) < value:
                shortlist[place] = shortlist[place - 1]
                place -= 1
            shortlist[place] = arm
            if count < room:
                count += 1
        self.last = shortlist[room - 1] if count == room else -1
        self.floor = self._value(self.last) if count == room else -INFINITY
        return count

    cdef int32_t _best(self, const int32_t[::1] arms, Py_ssize_t listed, Py_ssize_t slot, int level) noexcept:
        """The best of the `listed` first arms at a level of relaxation, the lower number among equals; or -1.

        With all rules, complements of what stands next to the slot are among them if any is, and lifted.
        """
        cdef int32_t arm, best = -1
        cdef Py_ssize_t at
        cdef double value, highest = -INFINITY
        cdef uint8_t refused = GONE | (BANNED if level < EXPOSURE else 0)
        for at in range(listed):
            arm = arms[at]
            value = self._value(arm)
            if value < highest or (value == highest and (best < arm or value == -INFINITY)):
                continue
            if not self.closed[arm] & refused and self._fits(arm, slot, level):
                best, highest = arm, value
        return best if level > 0 or best < 0 else self._lifted(best, slot)

    cdef int32_t _lifted(self, int32_t best, Py_ssize_t slot) noexcept:
        """`best`, or a complement of what stands next to the slot that is better when it is lifted."""
        cdef int32_t arm
        cdef Py_ssize_t beside, column
        cdef double value, highest = self._value(best)
        for beside in range(max(0, slot - 1), min(self.slates.shape[1], slot + 2)):
            if beside == slot or self.slates[self.variant, beside] < 0:
                continue
            for column in range(self.complements.shape[1]):
                arm = self.complements[self.slates[self.variant, beside], column]
                if arm < 0 or self.closed[arm]:
                    continue
                value = self._value(arm) * self.complement_factor
                if arm == best:
                    highest = value
                elif value > highest or (value == highest and arm < best):
                    if self._fits(arm, slot, 0):
                        best, highest = arm, value
        return best

    cdef bint _fits(self, int32_t arm, Py_ssize_t slot, int level) noexcept:
        """Whether placements, caps and spacings let the arm into the slot, as far as they have not given way."""
        if level < PLACEMENT and not self.allowed[slot, arm]:
            return False
        if level < CAP and self._is_full(arm, slot):
            return False
        return level >= SPACING or not self._is_near(arm, slot)

    cdef bint _is_full(self, int32_t arm, Py_ssize_t slot) noexcept:
        """Whether a cap keeps the arm from the slot; with slot -1, from all slots."""
        cdef Py_ssize_t rule
        for rule in range(self.cap_codes.shape[0]):
            if (
                self.cap_codes[rule, arm] >= 0
                and self.counts[rule, self.cap_codes[rule, arm]] >= self.cap_limits[rule]
                and (self.page_wide[rule] or (slot >= 0 and self.cap_slots[rule, slot]))
            ):
                return True
        return False

    cdef bint _is_near(self, int32_t arm, Py_ssize_t slot) noexcept:
        cdef Py_ssize_t rule, near, first, last
        cdef int32_t there
        for rule in range(self.spacing_codes.shape[0]):
            if self.spacing_codes[rule, arm] < 0:
                continue
            first, last = max(0, slot - self.distances[rule] + 1), min(self.slates.shape[1], slot + self.distances[rule])
            for near in range(first, last):
                there = self.slates[self.variant, near]
                if near != slot and there >= 0 and self.spacing_codes[rule, there] == self.spacing_codes[rule, arm]:
                    return True
        return False


def top(
    int32_t[:, ::1] slates,
    const double[:, ::1] scores,
    const Py_ssize_t[::1] canonical,
    const Py_ssize_t[::1] order,
    double[::1] best,
):
    """`policy.slates.arrangement.slates` from `scores` [A, V] into `slates` [V, S], filled with -1.

    Of equal scores the arm that is first in `canonical` goes first; `order` are the slots to be
    filled, the first with the best; `best` [slots to be filled] is room to work in.
    """
    cdef Py_ssize_t variant, at, arm, place, filled, most = order.shape[0]
    cdef double score
    for variant in range(slates.shape[0]):
        filled = 0
        for at in range(canonical.shape[0]):
            arm = canonical[at]
            score = scores[arm, variant]
            # What is not a number compares as false, too.
            if not score > -INFINITY or (filled == most and score <= best[most - 1]):
                continue
            place = filled if filled < most else most - 1
            while place > 0 and best[place - 1] < score:
                best[place] = best[place - 1]
                slates[variant, order[place]] = slates[variant, order[place - 1]]
                place -= 1
            best[place] = score
            slates[variant, order[place]] = <int32_t>arm
            if filled < most:
                filled += 1


def beta(
    double[:, ::1] draws, const double[::1] a, const double[::1] b, const double[:, :, ::1] z, const double[::1] scales
):
    """`policy.slates.sampling.beta_draws` into `draws` [A, V], in the same order of operations, so to the last bit."""
    cdef Py_ssize_t arm, variant
    cdef double scale, wide_a, wide_b, low_a, low_b, hits, total, root, middle
    for arm in range(draws.shape[0]):
        scale = scales[arm]
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


include "lists.pxi"
