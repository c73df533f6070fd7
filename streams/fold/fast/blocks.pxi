# Cells of a table as the payloads of the apply script, block by block.

cdef class _Places:
    """Places in blocks of cells, with amounts."""

    cdef Count *counts
    cdef Py_ssize_t size
    cdef uint64_t width
    cdef uint64_t fields

    def __cinit__(self, Py_ssize_t most, uint64_t width, uint64_t fields):
        self.counts = <Count *>malloc((most + 1) * sizeof(Count))
        self.width, self.fields = width, fields
        if self.counts == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.counts)

    cdef inline void add(self, uint64_t row, uint64_t column, int which, uint64_t amount) noexcept:
        cdef uint64_t place = (row * self.width + column % self.width) * self.fields + which
        self.counts[self.size].place = (column // self.width) << 32 | place
        self.counts[self.size].amount = amount
        self.size += 1

    cdef int add_all(self, dict counts, items, slots, int which) except -1:
        for (item, slot), amount in counts.items():
            column = slots.row(slot)
            self.add(items.row(item), column, which, amount)
        return 0

    cdef int add_cells(self, Cells cells, items, slots) except -1:
        cdef _Rows of_items = _Rows(cells.known, items), of_slots = _Rows(cells.known, slots)
        cdef Py_ssize_t at
        cdef uint64_t column
        for at in range(cells.size):
            column = of_slots.row(cells.counts[at].place & ((1 << NAME_BITS) - 1))
            self.add(of_items.row(cells.counts[at].place >> NAME_BITS), column, 0, cells.counts[at].amount)
        return 0

    cdef list packed(self):
        """[(block, payload)]: places and amounts as little-endian uint32, by rising places."""
        cdef Py_ssize_t at = 0, end = 0, last
        cdef list blocks = []
        qsort(self.counts, self.size, sizeof(Count), _by_place)
        while at < self.size:
            end, last = at, at
            while end < self.size and self.counts[end].place >> 32 == self.counts[at].place >> 32:
                if end > at and self.counts[end].place == self.counts[last].place:
                    self.counts[last].amount += self.counts[end].amount
                elif end > at:
                    last += 1
                    self.counts[last] = self.counts[end]
                end += 1
            blocks.append((self.counts[at].place >> 32, self._payload(at, last + 1)))
            at = end
        return blocks

    cdef bytes _payload(self, Py_ssize_t begin, Py_ssize_t end):
        cdef bytes payload = PyBytes_FromStringAndSize(NULL, (end - begin) * 8)
        cdef uint32_t *words = <uint32_t *>PyBytes_AS_STRING(payload)
        cdef Py_ssize_t at
        for at in range(begin, end):
            words[0], words[1] = <uint32_t>self.counts[at].place, <uint32_t>self.counts[at].amount
            words += 2
        return payload


cdef class _Rows:
    """The rows of a directory by the numbers of a fast_path's names."""

    cdef KnownNames known
    cdef object directory
    cdef array rows
    cdef dict numbers
    cdef int64_t ident

    def __cinit__(self, KnownNames known, directory):
        self.known, self.directory, self.rows = known, directory, directory.rows
        self.numbers, self.ident = directory.names.numbers, directory.names.ident

    cdef inline int64_t row(self, uint64_t name) except -1:
        cdef PageNumber *number = &self.known.numbers[name]
        cdef int32_t row = -1
        if number.ident == self.ident and number.number < len(self.rows):
            row = self.rows.data.as_ints[number.number]
        if row >= 0:
            return row
        text = self.known.texts[name]
        held = self.numbers.get(text)
        if held is not None and <Py_ssize_t>held < len(self.rows):
            row = self.rows.data.as_ints[<Py_ssize_t>held]
        if row < 0:
            row = self.directory.row(text)
            held = self.numbers[text]
        self.known.numbers[name] = PageNumber(self.ident, held)
        return row


cdef int _by_place(const void *one, const void *other) noexcept nogil:
    cdef uint64_t a = (<const Count *>one).place, b = (<const Count *>other).place
    return (a > b) - (a < b)


def packed_cells(Cells cells, list counts, items, slots, uint64_t width):
    """As `streams.state.arrays.operations.packed_cells`."""
    cdef Py_ssize_t most = sum(map(len, counts)) + (cells.size if cells is not None else 0)
    cdef _Places places = _Places(most, width, len(counts))
    cdef int which
    for which in range(len(counts)):
        places.add_all(counts[which], items, slots, which)
    if cells is not None:
        places.add_cells(cells, items, slots)
    return places.packed()
