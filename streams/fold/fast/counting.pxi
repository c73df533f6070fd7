# What the events of a batch add, by the numbers of a fast_path's names.

cdef struct CountedEvent:
    int64_t offset
    int32_t place
    int32_t cells
    uint32_t unit
    uint32_t marks


cdef enum:
    # A cell of an event has the numbers of item and slot, and above them the visible time plus one, or 0 for none.
    CELL_BITS = 2 * NAME_BITS
    MOST_VISIBLE = 1 << (64 - CELL_BITS - 1)
    # Above so many bits of a sum of visible times is how many there are.
    SUM_BITS = 40


cdef class FastEvents:
    """The events of a batch that were judged here and count."""

    cdef KnownNames known
    cdef CountedEvent *events
    cdef uint64_t *cells
    cdef Py_ssize_t count, room, cell_count, cell_room

    def __cinit__(self, FastPath fast_path):
        self.known = fast_path.known

    def __dealloc__(self):
        free(self.events)
        free(self.cells)

    def __len__(self):
        return self.count

    def since(self, int64_t floor):
        """How many have an offset of `floor` or more."""
        cdef Py_ssize_t at, number = 0
        for at in range(self.count):
            number += self.events[at].offset >= floor
        return number

    cdef int make_room(self, int cells) except -1 nogil:
        if self.count == self.room:
            self.room = self.room * 2 or 1_024
            self.events = <CountedEvent *>realloc(self.events, self.room * sizeof(CountedEvent))
        if self.cell_count + cells > self.cell_room:
            self.cell_room = (self.cell_room + cells) * 2
            self.cells = <uint64_t *>realloc(self.cells, self.cell_room * sizeof(uint64_t))
        if self.events == NULL or self.cells == NULL:
            with gil:
                raise MemoryError
        return 0

    def counted(self, list applied_offsets):
        """What they add, as [(page, segment, bucket, variant), Cells, bins, times].

        `variant` stands for its traffic; bins are those of the page, {bin: (new page views, new units)},
        and come with one of its segments.  Times are {slot: (how many, milliseconds)} of the
        slots whose visible time is known.  Where `applied_offsets` (by group) are given, events below a group's are left out for it.
        """
        cdef Table cells = Table(), bins = Table(), times = Table()
        cdef Py_ssize_t at
        cdef uint64_t cell, place_cell
        cdef CellPlace *place
        cdef CountedEvent *event
        cdef uint64_t *next_cell = self.cells
        cdef int step
        for at in range(self.count):
            event = &self.events[at]
            place = &self.known.places[event.place]
            if applied_offsets is None or event.offset >= <int64_t>applied_offsets[place.group]:
                place_cell = <uint64_t>event.place << CELL_BITS
                for step in range(event.cells):
                    cell = next_cell[step]
                    if cell >> CELL_BITS:
                        self._count_time(times, event.place, cell)
                        cell &= (<uint64_t>1 << CELL_BITS) - 1
                    _count(cells, place_cell | cell, 1)
            if applied_offsets is None or event.offset >= <int64_t>applied_offsets[place.whole]:
                cell = (<uint64_t>(place.page * 4 + place.traffic) << 8) | event.unit
                _count(bins, cell, (<int64_t>(event.marks & 1) << 32) | (event.marks >> 1))
            next_cell += event.cells
        return self._named(cells, bins, times)

    cdef int _count_time(self, Table times, int32_t place, uint64_t cell) except -1:
        cdef uint64_t slot = cell & ((1 << NAME_BITS) - 1)
        cdef int64_t visible_ms = (cell >> CELL_BITS) - 1
        return _count(times, (<uint64_t>place << NAME_BITS) | slot, (<int64_t>1 << SUM_BITS) + visible_ms)

    cdef dict _times_of(self, Table times):
        """By place and slot."""
        cdef dict times_of = {}
        cdef Py_ssize_t at
        cdef Entry *entry
        for at in range(times.mask + 1 if times.used else 0):
            entry = &times.entries[at]
            if entry.value != UNKNOWN:
                slot = self.known.texts[entry.name.low & ((1 << NAME_BITS) - 1)]
                numbers = entry.value >> SUM_BITS, entry.value & ((<int64_t>1 << SUM_BITS) - 1)
                _inner(times_of, entry.name.low >> NAME_BITS)[slot] = numbers
        return times_of

    cdef list _named(self, Table cells, Table bins, Table times):
        cdef KnownNames known = self.known
        cdef dict cells_of = {}, whole = {}, times_of = self._times_of(times)
        cdef Py_ssize_t at
        cdef Entry *entry
        cdef uint64_t number
        cdef Cells some
        cdef list rows = []
        for at in range(self.count):
            number = self.events[at].place
            if number not in cells_of:
                cells_of[number] = Cells(known)
        for at in range(cells.mask + 1):
            entry = &cells.entries[at]
            if entry.value != UNKNOWN:
                some = cells_of[entry.name.low >> CELL_BITS]
                some.add(entry.name.low & ((<uint64_t>1 << CELL_BITS) - 1), entry.value)
        for at in range(bins.mask + 1):
            entry = &bins.entries[at]
            if entry.value != UNKNOWN:
                _inner(whole, entry.name.low >> 8)[entry.name.low & 255] = entry.value >> 32, entry.value & 0xFFFFFFFF
        for key, value in cells_of.items():
            place = known.places[<int32_t>key]
            bins_of = whole.pop(place.page * 4 + place.traffic, {})
            rows.append((known.keys[key], value, bins_of, times_of.get(key, {})))
        return rows


cdef struct Count:
    uint64_t place
    uint64_t amount


cdef class Cells:
    """Impressions by item and slot of one table, by the numbers of a fast_path's names."""

    cdef KnownNames known
    cdef Count *counts
    cdef Py_ssize_t size, room

    def __cinit__(self, KnownNames known):
        self.known = known

    def __dealloc__(self):
        free(self.counts)

    def __len__(self):
        return self.size

    def total(self):
        """All impressions."""
        cdef Py_ssize_t at
        cdef uint64_t total = 0
        for at in range(self.size):
            total += self.counts[at].amount
        return total

    def counted(self):
        """As {(item, slot): impressions}."""
        cdef Py_ssize_t at
        cdef dict amounts = {}
        for at in range(self.size):
            amounts[self._item(at), self._slot(at)] = self.counts[at].amount
        return amounts

    cdef inline str _item(self, Py_ssize_t at):
        return self.known.texts[self.counts[at].place >> NAME_BITS]

    cdef inline str _slot(self, Py_ssize_t at):
        return self.known.texts[self.counts[at].place & ((1 << NAME_BITS) - 1)]

    cdef int add(self, uint64_t place, uint64_t amount) except -1:
        if self.size == self.room:
            self.room = self.room * 2 or 64
            self.counts = <Count *>realloc(self.counts, self.room * sizeof(Count))
            if self.counts == NULL:
                raise MemoryError
        self.counts[self.size].place, self.counts[self.size].amount = place, amount
        self.size += 1
        return 0


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


cdef inline dict _inner(dict outer, uint64_t key):
    inner = outer.get(key)
    if inner is None:
        inner = outer[key] = {}
    return <dict>inner


cdef inline int _count(Table table, uint64_t key, int64_t more) except -1:
    cdef Name name
    cdef Entry *entry
    name.high, name.low = folded(key ^ _keys[0], _keys[1]), key
    entry = table.find(name)
    if entry.value == UNKNOWN:
        table.put(name, more)
    else:
        entry.value += more
    return 0
