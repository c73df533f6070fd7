# The parts of records that a partition had lately: slots that were seen, lines of orders.

cdef struct Block:
    int64_t number
    int64_t count


cdef class RecentParts:
    """As the parts of `streams.fold.window.RecentNames`: at most so many, let go by blocks of offsets."""

    cdef readonly int64_t floor
    cdef int64_t size, most, count, offset
    cdef SeenTable table
    cdef Block *blocks
    cdef Py_ssize_t first, block_count, room

    def __cinit__(self, int64_t size):
        self.size, self.offset = size, -1
        self.table = SeenTable()
        self.room = 64
        self.blocks = <Block *>malloc(self.room * sizeof(Block))
        if self.blocks == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.blocks)

    cdef inline int enter(self, int64_t offset, int64_t floor) except -1 nogil:
        """Go on to the record at an offset of the window that begins at `floor`."""
        cdef Block *block
        self.offset = offset
        self.floor = max(self.floor, floor)
        while self.block_count:
            block = &self.blocks[self.first]
            if (block.number + 1) * self.size > floor and self.count <= self.most:
                break
            self.count -= block.count
            self.floor = max(self.floor, (block.number + 1) * self.size)
            self.first += 1
            self.block_count -= 1
        return 0

    cdef inline bint holds(self, Seen name) noexcept nogil:
        """Whether a part is there from an earlier record."""
        cdef uint32_t live = self._live()
        cdef Seen *entry = self.table.find(name, name.value, live)
        return entry.low == name.low and entry.high == name.high and name.value - entry.value < live

    cdef inline int note_new(self, Seen *names, int count) except -1 nogil:
        """Note different parts of one owner, of which there are none: their entries are side by side."""
        cdef uint32_t live = self._live()
        cdef Seen *entry = NULL
        cdef int at
        for at in range(count):
            entry = self.table.place(names[at], entry, names[at].value, live)
            if self.table.fill(entry, names[at], names[at].value, live):
                entry = NULL
        return 0

    cdef inline int note(self, Seen name) except -1 nogil:
        """Note a part with its record; whether it is recent, or was noted with this record."""
        cdef uint32_t live = self._live()
        cdef Seen *entry = self.table.find(name, name.value, live)
        cdef bint recent = False
        if entry.low == name.low and entry.high == name.high:
            recent = name.value - entry.value < live
            entry.value = name.value
        else:
            self.table.fill(entry, name, name.value, live)
        return recent

    cdef inline uint32_t _live(self) noexcept nogil:
        return <uint32_t>max(1, self.offset + 1 - self.floor)

    cdef inline int add(self, int parts) except -1 nogil:
        """So many more in the block of the offset."""
        cdef int64_t number = self.offset // self.size
        cdef Py_ssize_t last = self.first + self.block_count - 1
        self.count += parts
        if self.block_count and self.blocks[last].number == number:
            self.blocks[last].count += parts
            return 0
        if last + 1 == self.room:
            self._make_room()
        self.blocks[self.first + self.block_count] = Block(number, parts)
        self.block_count += 1
        return 0

    cdef int _make_room(self) except -1 nogil:
        if self.first > self.room // 2:
            memmove(self.blocks, &self.blocks[self.first], self.block_count * sizeof(Block))
            self.first = 0
            return 0
        self.room *= 2
        self.blocks = <Block *>realloc(self.blocks, self.room * sizeof(Block))
        if self.blocks == NULL:
            with gil:
                raise MemoryError
        return 0
