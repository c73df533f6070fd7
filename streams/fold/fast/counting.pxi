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
    # Beside each cell the number of its shelf plus one, or 0 for none.
    cdef uint32_t *shelves
    cdef Py_ssize_t count, room, cell_count, cell_room

    def __cinit__(self, FastPath fast_path):
        self.known = fast_path.known

    def __dealloc__(self):
        free(self.events)
        free(self.cells)
        free(self.shelves)

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
            self.shelves = <uint32_t *>realloc(self.shelves, self.cell_room * sizeof(uint32_t))
        if self.events == NULL or self.cells == NULL or self.shelves == NULL:
            with gil:
                raise MemoryError
        return 0

    def counted(self, list applied_offsets):
        """What they add, as [(page, segment, bucket, variant), Cells, bins, times, stands, placed].

        `variant` stands for its traffic; bins are those of the page, {bin: (new page views, new units)},
        and come with one of its segments.  Times are {slot: (how many, milliseconds)} of the
        slots whose visible time is known; `stands` are {(slot, shelf): impressions}, and `placed` are
        {(item, shelf): impressions}.  Where `applied_offsets` (by group) are given, events below a group's are left out for it.
        """
        cdef Table cells = Table(), bins = Table(), times = Table(), stands = Table(), placed = Table()
        cdef Py_ssize_t at
        cdef uint64_t cell, place_cell
        cdef CellPlace *place
        cdef CountedEvent *event
        cdef uint64_t *next_cell = self.cells
        cdef uint32_t *next_shelf = self.shelves
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
                    if next_shelf[step]:
                        self._count_shelf(stands, placed, event.place, cell, next_shelf[step] - 1)
            if applied_offsets is None or event.offset >= <int64_t>applied_offsets[place.whole]:
                cell = (<uint64_t>(place.page * 4 + place.traffic) << 8) | event.unit
                _count(bins, cell, (<int64_t>(event.marks & 1) << 32) | (event.marks >> 1))
            next_cell += event.cells
            next_shelf += event.cells
        return self._named(cells, bins, times, stands, placed)

    cdef int _count_shelf(self, Table stands, Table placed, int32_t place, uint64_t cell, uint64_t shelf) except -1:
        cdef uint64_t of_place = <uint64_t>place << CELL_BITS
        _count(stands, of_place | ((cell & ((1 << NAME_BITS) - 1)) << NAME_BITS) | shelf, 1)
        return _count(placed, of_place | ((cell >> NAME_BITS) << NAME_BITS) | shelf, 1)

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

    cdef dict _pairs_of(self, Table pairs):
        """By place and two names."""
        cdef dict pairs_of = {}
        cdef list texts = self.known.texts
        cdef Py_ssize_t at
        cdef Entry *entry
        for at in range(pairs.mask + 1 if pairs.used else 0):
            entry = &pairs.entries[at]
            if entry.value != UNKNOWN:
                names = (
                    texts[(entry.name.low >> NAME_BITS) & ((1 << NAME_BITS) - 1)],
                    texts[entry.name.low & ((1 << NAME_BITS) - 1)],
                )
                _inner(pairs_of, entry.name.low >> CELL_BITS)[names] = entry.value
        return pairs_of

    cdef list _named(self, Table cells, Table bins, Table times, Table stands, Table placed):
        cdef KnownNames known = self.known
        cdef dict cells_of = {}, whole = {}, times_of = self._times_of(times)
        cdef dict stands_of = self._pairs_of(stands), placed_of = self._pairs_of(placed)
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
            shelves_of = stands_of.get(key, {}), placed_of.get(key, {})
            rows.append((known.keys[key], value, bins_of, times_of.get(key, {}), *shelves_of))
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
