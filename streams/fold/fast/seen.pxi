# Values by name in 16 bytes each; those of no use make room.

cdef enum:
    SHARDS = 64
    LEAST_ENTRIES = 16
    # The three lowest bits of an entry.
    NAME_ENTRY = 1
    KEY_ENTRY = 2
    TIME_ENTRY = 3
    PART_ENTRY = 4
    ENTRY_BITS = 3

cdef uint64_t CHECK_ONE = 0x9E3779B97F4A7C15
cdef uint64_t CHECK_TWO = 0xC2B2AE3D27D4EB4F

# With this as `now` and `before` a value is of no use where it is 0.
cdef uint32_t NONE_BEFORE = 0xFFFFFFFF

cdef struct Seen:
    uint64_t low
    uint32_t high
    uint32_t value

cdef struct Shard:
    Seen *entries
    uint32_t size
    uint32_t used


def checksum(bytes content not None, uint64_t seed):
    """32 bits that say whether entries are as they were written."""
    cdef const char *at = PyBytes_AS_STRING(content)
    cdef const char *end = at + PyBytes_GET_SIZE(content) // 16 * 16
    cdef uint64_t first = seed ^ CHECK_ONE, second = CHECK_TWO
    while at < end:
        first = folded(first ^ word(at), CHECK_ONE)
        second = folded(second ^ word(at + 8), CHECK_TWO)
        at += 16
    return <uint32_t>folded(first ^ PyBytes_GET_SIZE(content), second ^ CHECK_ONE)


cdef inline Seen _seen(Name name, uint64_t kind, uint32_t value) noexcept nogil:
    """93 bits of a name."""
    cdef Seen seen
    seen.low, seen.high, seen.value = (name.low << ENTRY_BITS) | kind, <uint32_t>name.high, value
    return seen


cdef class SeenTable:
    """A value by name, in shards that grow one by one; open addressing, at most three quarters full.

    A value `before` or more behind `now` is of no use any more: its place is taken by another one.
    """

    cdef Shard[SHARDS] shards

    def __cinit__(self):
        cdef int at
        for at in range(SHARDS):
            self._allot(&self.shards[at], LEAST_ENTRIES)

    def __dealloc__(self):
        cdef int at
        for at in range(SHARDS):
            free(self.shards[at].entries)

    cdef int64_t bytes(self) noexcept nogil:
        cdef int64_t at, total = 0
        for at in range(SHARDS):
            total += self.shards[at].size * sizeof(Seen)
        return total

    cdef int _allot(self, Shard *shard, uint32_t size) except -1 nogil:
        shard.entries = <Seen *>calloc(size, sizeof(Seen))
        if shard.entries == NULL:
            with gil:
                raise MemoryError
        shard.size, shard.used = size, 0
        return 0

    cdef inline void expect(self, Seen name) noexcept nogil:
        cdef Shard *shard = &self.shards[name.low >> 58]
        expect(&shard.entries[(<uint64_t>name.high * shard.size) >> 32])

    cdef inline Seen *find(self, Seen name, uint32_t now, uint32_t before) noexcept nogil:
        """The entry of a name, or the one where it belongs: a free one, or one that is of no use."""
        cdef Shard *shard = &self.shards[name.low >> 58]
        cdef Seen *entry = &shard.entries[(<uint64_t>name.high * shard.size) >> 32]
        cdef Seen *end = &shard.entries[shard.size]
        cdef Seen *place = NULL
        while entry.low:
            if entry.low == name.low and entry.high == name.high:
                return entry
            if place == NULL and now - entry.value >= before:
                place = entry
            entry += 1
            if entry == end:
                entry = shard.entries
        return entry if place == NULL else place

    cdef inline Seen *place(self, Seen name, Seen *entry, uint32_t now, uint32_t before) noexcept nogil:
        """The first entry for a name that is not there, from one on, or from where its search begins if that is NULL."""
        cdef Shard *shard = &self.shards[name.low >> 58]
        cdef Seen *end = &shard.entries[shard.size]
        if entry == NULL:
            entry = &shard.entries[(<uint64_t>name.high * shard.size) >> 32]
        while entry.low and now - entry.value < before:
            entry += 1
            if entry == end:
                entry = shard.entries
        return entry

    cdef inline int fill(self, Seen *entry, Seen name, uint32_t now, uint32_t before) except -1 nogil:
        """Put a name that is not there where it belongs; whether all entries are in other places then."""
        cdef Shard *shard
        if entry.low:
            entry[0] = name
            return 0
        entry[0] = name
        shard = &self.shards[name.low >> 58]
        shard.used += 1
        if shard.used > shard.size - shard.size // 4:
            self._build(shard, now, before)
            return 1
        return 0

    cdef int purge(self, uint32_t now, uint32_t before) except -1 nogil:
        cdef int at
        for at in range(SHARDS):
            self._build(&self.shards[at], now, before)
        return 0

    cdef int _build(self, Shard *shard, uint32_t now, uint32_t before) except -1 nogil:
        """Anew without what is of no use, with room for a third more at least."""
        cdef Seen *had = shard.entries
        cdef uint32_t place, at, size = shard.size, used = 0, run = 0, end = 0
        for at in range(size):
            used += had[at].low != 0 and now - had[at].value < before
        place = size
        if used > size // 20 * 13 or used < size // 4:
            place = max(<uint32_t>LEAST_ENTRIES, <uint32_t>(used / 0.55))
        self._allot(shard, place)
        shard.used = used
        for at in range(size):
            if had[at].low and now - had[at].value < before:
                place = <uint32_t>((<uint64_t>had[at].high * shard.size) >> 32)
                # Nearly all come by rising places: from `run` to `end` no entry is free.
                if run <= place < end:
                    place = end
                elif place >= end:
                    run = place
                while place < shard.size and shard.entries[place].low:
                    place += 1
                if place == shard.size:
                    place, run, end = 0, 0, 0
                    while shard.entries[place].low:
                        place += 1
                elif place >= end:
                    end = place + 1
                shard.entries[place] = had[at]
        free(had)
        return 0
