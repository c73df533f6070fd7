# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The common case of an impression, compiled: read, judged and counted without an object for each event.

Only what is plain is done here: JSON in ASCII without escapes, the known fields each
once, fit, and made of names that the quota has admitted.  Everything else is left to
`streams.fold.judge`, which stays the one place that says what happens to a record;
a test holds both to the same answers.

Names are known by a keyed hash of 128 bits.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

import os
import zlib

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline uint64_t folded(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    static inline uint64_t word(const char *at) {
        uint64_t value;
        memcpy(&value, at, 8);
        return value;
    }
    """
    uint64_t folded(uint64_t a, uint64_t b) noexcept nogil
    uint64_t word(const char *at) noexcept nogil
    void expect "__builtin_prefetch"(const void *at) noexcept nogil

cdef struct Name:
    uint64_t high
    uint64_t low

cdef struct Entry:
    Name name
    int64_t value

cdef struct Text:
    const char *at
    Py_ssize_t size

cdef enum:
    MOST_SLOTS = 64
    MOST_BYTES = 255
    UNKNOWN = -1
    DAY_MS = 86_400_000

cdef uint64_t[4] _keys
cdef uint32_t[256] _crc


cdef void _make_constants():
    cdef bytes chance = os.urandom(32)
    cdef int at
    for at in range(4):
        _keys[at] = word(PyBytes_AS_STRING(chance) + 8 * at) | 1
    for at in range(256):
        # The table of CRC-32 out of CRC-32 itself: that of one byte, without what zlib turns over.
        _crc[at] = zlib.crc32(bytes([at])) ^ zlib.crc32(b"\0")


_make_constants()


cdef inline Name _name(const char *at, Py_ssize_t size) noexcept nogil:
    """Two lanes of folded multiplication over 16 bytes at a time, under keys of this process."""
    cdef Name name
    cdef uint64_t first, second
    cdef char[16] rest
    name.high, name.low = _keys[0] ^ <uint64_t>size, _keys[1]
    while size >= 16:
        first, second = word(at), word(at + 8)
        name.high = folded(name.high ^ first, _keys[2] ^ second)
        name.low = folded(name.low ^ second, _keys[3] ^ first)
        at += 16
        size -= 16
    memset(rest, 0, 16)
    memcpy(rest, at, size)
    first, second = word(rest), word(rest + 8)
    name.high = folded(name.high ^ first, _keys[2] ^ second)
    name.low = folded(name.low ^ second, _keys[3] ^ first)
    name.high = folded(name.high ^ _keys[1], name.low ^ _keys[2])
    return name


cdef inline Name _within(uint64_t outer, Name name) noexcept nogil:
    """The name of a name inside something numbered."""
    name.high = folded(name.high ^ outer, _keys[3])
    name.low = folded(name.low ^ _keys[2], outer ^ _keys[0])
    return name


cdef class Table:
    """Numbers by name; open addressing at most half full."""

    cdef Entry *entries
    cdef Py_ssize_t mask
    cdef Py_ssize_t used

    def __cinit__(self):
        self._allot(64)

    def __dealloc__(self):
        free(self.entries)

    cdef int _allot(self, Py_ssize_t capacity) except -1:
        cdef Py_ssize_t at
        self.entries = <Entry *>malloc(capacity * sizeof(Entry))
        if self.entries == NULL:
            raise MemoryError
        for at in range(capacity):
            self.entries[at].value = UNKNOWN
        self.mask = capacity - 1
        self.used = 0
        return 0

    cdef inline Entry *find(self, Name name) noexcept:
        """The entry of a name, or the free one where it belongs."""
        cdef Py_ssize_t at = <Py_ssize_t>(name.high & <uint64_t>self.mask)
        cdef Entry *entry = &self.entries[at]
        while entry.value != UNKNOWN and (entry.name.low != name.low or entry.name.high != name.high):
            at = (at + 1) & self.mask
            entry = &self.entries[at]
        return entry

    cdef inline int64_t get(self, Name name) noexcept:
        return self.find(name).value

    cdef int put(self, Name name, int64_t value) except -1:
        cdef Entry *entry = self.find(name)
        if entry.value == UNKNOWN:
            entry.name = name
            self.used += 1
        entry.value = value
        if self.used * 2 > self.mask:
            self._grow()
        return 0

    cdef int _grow(self) except -1:
        cdef Entry *before = self.entries
        cdef Py_ssize_t at, capacity = self.mask + 1
        cdef Py_ssize_t used = self.used
        self._allot(capacity * 2)
        for at in range(capacity):
            if before[at].value != UNKNOWN:
                self.find(before[at].name)[0] = before[at]
        self.used = used
        free(before)
        return 0


cdef class RecentWindow:
    """As `streams.fold.window.RecentWindow`, in a fifth of the memory."""

    cdef int64_t reach
    cdef int64_t block
    cdef Table newer
    cdef Table older

    def __init__(self, int64_t reach):
        self.reach, self.block = reach, -1
        self.newer, self.older = Table(), Table()

    def seen(self, str name not None, int64_t offset):
        """Note `name` at `offset` (offsets never go down) and say whether it is recent."""
        return bool(self.note(_of(name), offset))

    cdef inline void expect(self, Name name) noexcept:
        """The name will be noted soon: its places are far apart in memory."""
        expect(&self.newer.entries[name.high & <uint64_t>self.newer.mask])
        expect(&self.older.entries[name.high & <uint64_t>self.older.mask])

    cdef int note(self, Name name, int64_t offset) except -1:
        cdef int64_t block = offset // self.reach, last
        if block != self.block:
            self.older = self.newer if block == self.block + 1 else Table()
            self.newer = Table()
            self.block = block
        last = self.newer.get(name)
        if last == UNKNOWN:
            last = self.older.get(name)
        self.newer.put(name, offset)
        return last != UNKNOWN and offset - last <= self.reach


cdef class BlockCount:
    """As `streams.fold.window.BlockCount`."""

    cdef int64_t reach
    cdef int64_t block
    cdef Table counts

    def __init__(self, int64_t reach):
        self.reach, self.block = reach, -1
        self.counts = Table()

    def more(self, bytes key not None, int64_t day, int64_t offset):
        """Note one more of `key` on `day` at `offset` (offsets never go down); how many there are by now."""
        return self.note(self.name(_name(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)), day), offset)

    cdef inline Name name(self, Name key, int64_t day) noexcept:
        return _within(<uint64_t>day, key)

    cdef inline void expect(self, Name name) noexcept:
        expect(&self.counts.entries[name.high & <uint64_t>self.counts.mask])

    cdef int64_t note(self, Name name, int64_t offset) except -1:
        cdef int64_t block = offset // self.reach, count
        if block != self.block:
            self.counts, self.block = Table(), block
        count = self.counts.get(name)
        count = 1 if count == UNKNOWN else count + 1
        self.counts.put(name, count)
        return count


# Reading

cdef struct Limit:
    int64_t least
    int64_t most

cdef struct Limits:
    Limit event_id
    Limit occurred_at
    Limit unit
    Limit page
    Limit segment
    Limit page_view_id
    Limit layout_version
    Limit variant
    Limit slots
    Limit slot
    Limit item

cdef struct Event:
    Text event_id
    Text unit
    Text page
    Text segment
    Text page_view_id
    int64_t occurred_at
    int64_t variant
    int shown
    Text[MOST_SLOTS] slots
    Text[MOST_SLOTS] items

cdef struct Cursor:
    const char *at
    const char *end


cdef inline bint _fits(int64_t value, Limit limit) noexcept nogil:
    return limit.least <= value <= limit.most


cdef inline void _skip(Cursor *cursor) noexcept nogil:
    while cursor.at < cursor.end and cursor.at[0] in (32, 10, 13, 9):
        cursor.at += 1


cdef inline bint _takes(Cursor *cursor, char wanted) noexcept nogil:
    """Go past one character and the space around it, if it is there."""
    _skip(cursor)
    if cursor.at == cursor.end or cursor.at[0] != wanted:
        return False
    cursor.at += 1
    _skip(cursor)
    return True


cdef inline bint _text(Cursor *cursor, Text *text) noexcept nogil:
    """A string of plain ASCII; the cursor is at its first quote."""
    cdef const char *at = cursor.at
    cdef unsigned char one
    if at == cursor.end or at[0] != 34:
        return False
    at += 1
    text.at = at
    while at < cursor.end:
        one = <unsigned char>at[0]
        if one == 34:
            text.size = at - text.at
            cursor.at = at + 1
            return True
        if one < 32 or one > 126 or one == 92:
            return False
        at += 1
    return False


cdef inline bint _limited(Cursor *cursor, Text *text, Limit limit) noexcept nogil:
    return _text(cursor, text) and _fits(text.size, limit)


cdef inline bint _number(Cursor *cursor, int64_t *number, Limit limit) noexcept nogil:
    """An integer of at most 18 digits as JSON writes it."""
    cdef bint minus = cursor.at < cursor.end and cursor.at[0] == 45
    cdef const char *first = cursor.at + minus
    cdef const char *at = first
    cdef int64_t value = 0
    while at < cursor.end and 48 <= at[0] <= 57:
        if at - first == 18:
            return False
        value = value * 10 + (at[0] - 48)
        at += 1
    if at == first or (first[0] == 48 and (minus or at - first > 1)):
        return False
    if at == cursor.end or at[0] not in (44, 125, 32, 10, 13, 9):
        return False
    cursor.at = at
    number[0] = -value if minus else value
    return _fits(number[0], limit)


cdef inline bint _is(Text *text, const char *name, Py_ssize_t size) noexcept nogil:
    return text.size == size and memcmp(text.at, name, size) == 0


cdef bint _shown(Cursor *cursor, Event *event, Limits *limits) noexcept nogil:
    """The list of slots and items."""
    cdef Text key
    cdef int have
    event.shown = 0
    if not _takes(cursor, 91):
        return False
    while event.shown < MOST_SLOTS:
        if not _takes(cursor, 123):
            return False
        have = 0
        while have < 3:
            if not (_text(cursor, &key) and _takes(cursor, 58)):
                return False
            if _is(&key, b"slot", 4) and not have & 1:
                if not _limited(cursor, &event.slots[event.shown], limits.slot):
                    return False
                have |= 1
            elif _is(&key, b"item", 4) and not have & 2:
                if not _limited(cursor, &event.items[event.shown], limits.item):
                    return False
                have |= 2
            else:
                return False
            if have < 3 and not _takes(cursor, 44):
                return False
        if not _takes(cursor, 125):
            return False
        event.shown += 1
        if not _takes(cursor, 44):
            return _takes(cursor, 93) and _fits(event.shown, limits.slots)
    return False


cdef int _field(Cursor *cursor, Text *key, Event *event, Limits *limits) noexcept nogil:
    """Read the value of a field; the field's bit, or 0 for anything that is not plain."""
    cdef int64_t version
    if _is(key, b"event_id", 8):
        return 1 if _limited(cursor, &event.event_id, limits.event_id) else 0
    if _is(key, b"occurred_at", 11):
        return 2 if _number(cursor, &event.occurred_at, limits.occurred_at) else 0
    if _is(key, b"unit", 4):
        return 4 if _limited(cursor, &event.unit, limits.unit) else 0
    if _is(key, b"page", 4):
        return 8 if _limited(cursor, &event.page, limits.page) else 0
    if _is(key, b"segment", 7):
        return 16 if _limited(cursor, &event.segment, limits.segment) else 0
    if _is(key, b"page_view_id", 12):
        return 32 if _limited(cursor, &event.page_view_id, limits.page_view_id) else 0
    if _is(key, b"layout_version", 14):
        return 64 if _number(cursor, &version, limits.layout_version) else 0
    if _is(key, b"variant", 7):
        return 128 if _number(cursor, &event.variant, limits.variant) else 0
    if _is(key, b"slots", 5):
        return 256 if _shown(cursor, event, limits) else 0
    return 0


cdef bint _impression(const char *at, Py_ssize_t size, Event *event, Limits *limits) noexcept nogil:
    """Whether these bytes are a plain impression; then `event` points into them."""
    cdef Cursor cursor
    cdef Text key
    cdef int have = 0, bit
    cursor.at, cursor.end = at, at + size
    if not _takes(&cursor, 123):
        return False
    while have < 511:
        if not (_text(&cursor, &key) and _takes(&cursor, 58)):
            return False
        bit = _field(&cursor, &key, event, limits)
        if bit == 0 or have & bit:
            return False
        have |= bit
        if have < 511 and not _takes(&cursor, 44):
            return False
    return _takes(&cursor, 125) and cursor.at == cursor.end


# Judging and counting

cdef struct One:
    int64_t offset
    int32_t place
    int32_t cells
    uint32_t unit
    uint32_t marks

cdef struct Place:
    int32_t page
    int32_t group
    int32_t whole
    int32_t traffic

cdef enum:
    PLACE_BITS = 20
    NAME_BITS = 22


cdef class Taken:
    """The events of a batch that were judged here and count."""

    cdef Shortcut shortcut
    cdef One *ones
    cdef uint64_t *cells
    cdef Py_ssize_t count, room, cell_count, cell_room

    def __cinit__(self, Shortcut shortcut):
        self.shortcut = shortcut

    def __dealloc__(self):
        free(self.ones)
        free(self.cells)

    def __len__(self):
        return self.count

    def since(self, int64_t floor):
        """How many have an offset of `floor` or more."""
        cdef Py_ssize_t at, found = 0
        for at in range(self.count):
            found += self.ones[at].offset >= floor
        return found

    cdef int make_room(self, int cells) except -1:
        if self.count == self.room:
            self.room = self.room * 2 or 1_024
            self.ones = <One *>realloc(self.ones, self.room * sizeof(One))
        if self.cell_count + cells > self.cell_room:
            self.cell_room = (self.cell_room + cells) * 2
            self.cells = <uint64_t *>realloc(self.cells, self.cell_room * sizeof(uint64_t))
        if self.ones == NULL or self.cells == NULL:
            raise MemoryError
        return 0

    def counted(self, list floors):
        """What they add, as [(page, segment, bucket, variant), Cells, {bin: [views, units, 0, 0, 0]}].

        `variant` stands for its traffic; bins are those of the page and come with one of its
        segments.  Where `floors` (by group) are given, events below a group's are left out for it.
        """
        cdef Table cells = Table(), bins = Table()
        cdef Py_ssize_t at
        cdef uint64_t cell
        cdef Place *place
        cdef One *one
        cdef uint64_t *next_cell = self.cells
        cdef int step
        for at in range(self.count):
            one = &self.ones[at]
            place = &self.shortcut.places[one.place]
            if floors is None or one.offset >= <int64_t>floors[place.group]:
                for step in range(one.cells):
                    cell = (<uint64_t>one.place << (2 * NAME_BITS)) | next_cell[step]
                    _count(cells, cell, 1)
            if floors is None or one.offset >= <int64_t>floors[place.whole]:
                cell = (<uint64_t>(place.page * 4 + place.traffic) << 8) | one.unit
                _count(bins, cell, (<int64_t>(one.marks & 1) << 32) | (one.marks >> 1))
            next_cell += one.cells
        return self._named(cells, bins)

    cdef list _named(self, Table cells, Table bins):
        cdef Shortcut shortcut = self.shortcut
        cdef dict found = {}, whole = {}
        cdef Py_ssize_t at
        cdef Entry *entry
        cdef uint64_t number
        cdef Cells some
        cdef list rows = []
        for at in range(self.count):
            number = self.ones[at].place
            if number not in found:
                found[number] = Cells(shortcut)
        for at in range(cells.mask + 1):
            entry = &cells.entries[at]
            if entry.value != UNKNOWN:
                some = found[entry.name.low >> (2 * NAME_BITS)]
                some.add(entry.name.low & ((<uint64_t>1 << (2 * NAME_BITS)) - 1), entry.value)
        for at in range(bins.mask + 1):
            entry = &bins.entries[at]
            if entry.value != UNKNOWN:
                _inner(whole, entry.name.low >> 8)[entry.name.low & 255] = [
                    entry.value >> 32, entry.value & 0xFFFFFFFF, 0, 0, 0
                ]
        for key, value in found.items():
            place = shortcut.places[<int32_t>key]
            rows.append((shortcut.keys[key], value, whole.pop(place.page * 4 + place.traffic, {})))
        return rows


cdef struct Count:
    uint64_t place
    uint64_t amount


cdef class Cells:
    """Impressions by item and slot of one table, by the numbers of a shortcut's names."""

    cdef Shortcut shortcut
    cdef Count *counts
    cdef Py_ssize_t size, room

    def __cinit__(self, Shortcut shortcut):
        self.shortcut = shortcut

    def __dealloc__(self):
        free(self.counts)

    def __len__(self):
        return self.size

    def counted(self):
        """As {(item, slot): impressions}."""
        cdef Py_ssize_t at
        cdef dict found = {}
        for at in range(self.size):
            found[self._item(at), self._slot(at)] = self.counts[at].amount
        return found

    cdef inline str _item(self, Py_ssize_t at):
        return self.shortcut.texts[self.counts[at].place >> NAME_BITS]

    cdef inline str _slot(self, Py_ssize_t at):
        return self.shortcut.texts[self.counts[at].place & ((1 << NAME_BITS) - 1)]

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

    def __cinit__(self, Py_ssize_t most, uint64_t width):
        self.counts = <Count *>malloc((most + 1) * sizeof(Count))
        self.width = width
        if self.counts == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.counts)

    cdef inline void add(self, uint64_t row, uint64_t column, int which, uint64_t amount) noexcept:
        cdef uint64_t place = (row * self.width + column % self.width) * 2 + which
        self.counts[self.size].place = (column // self.width) << 32 | place
        self.counts[self.size].amount = amount
        self.size += 1

    cdef int add_all(self, dict counts, items, slots, int which) except -1:
        for (item, slot), amount in counts.items():
            column = slots.row(slot)
            self.add(items.row(item), column, which, amount)
        return 0

    cdef int add_cells(self, Cells cells, items, slots) except -1:
        cdef Shortcut shortcut = cells.shortcut
        cdef Py_ssize_t at
        cdef uint64_t item, slot
        shortcut.new_rows()
        for at in range(cells.size):
            slot = cells.counts[at].place & ((1 << NAME_BITS) - 1)
            item = cells.counts[at].place >> NAME_BITS
            if shortcut.rows[slot] == UNKNOWN:
                shortcut.rows[slot] = slots.row(shortcut.texts[slot])
            if shortcut.rows[item] == UNKNOWN:
                shortcut.rows[item] = items.row(shortcut.texts[item])
            self.add(shortcut.rows[item], shortcut.rows[slot], 0, cells.counts[at].amount)
        return 0

    cdef list packed(self):
        """[(block, payload)]: places and amounts as little-endian uint32, by rising places."""
        cdef Py_ssize_t at = 0, end = 0, kept
        cdef list found = []
        qsort(self.counts, self.size, sizeof(Count), _by_place)
        while at < self.size:
            end, kept = at, at
            while end < self.size and self.counts[end].place >> 32 == self.counts[at].place >> 32:
                if end > at and self.counts[end].place == self.counts[kept].place:
                    self.counts[kept].amount += self.counts[end].amount
                elif end > at:
                    kept += 1
                    self.counts[kept] = self.counts[end]
                end += 1
            found.append((self.counts[at].place >> 32, self._payload(at, kept + 1)))
            at = end
        return found

    cdef bytes _payload(self, Py_ssize_t begin, Py_ssize_t end):
        cdef bytes payload = PyBytes_FromStringAndSize(NULL, (end - begin) * 8)
        cdef uint32_t *words = <uint32_t *>PyBytes_AS_STRING(payload)
        cdef Py_ssize_t at
        for at in range(begin, end):
            words[0], words[1] = <uint32_t>self.counts[at].place, <uint32_t>self.counts[at].amount
            words += 2
        return payload


cdef int _by_place(const void *one, const void *other) noexcept nogil:
    cdef uint64_t a = (<const Count *>one).place, b = (<const Count *>other).place
    return (a > b) - (a < b)


def packed_cells(Cells cells, dict impressions, dict clicks, items, slots, uint64_t width):
    """As `streams.state.operations.packed_cells`."""
    cdef _Places places = _Places(len(impressions) + len(clicks) + (cells.size if cells is not None else 0), width)
    places.add_all(impressions, items, slots, 0)
    places.add_all(clicks, items, slots, 1)
    if cells is not None:
        places.add_cells(cells, items, slots)
    return places.packed()


cdef inline dict _inner(dict outer, uint64_t key):
    found = outer.get(key)
    if found is None:
        found = outer[key] = {}
    return <dict>found


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


cdef class Shortcut:
    """Judges plain impressions of one partition, beside a `Judge` whose windows it shares.

    limits: `least` and `most` by field, sizes of texts and values of numbers; `slots` is the number of them.
    """

    cdef readonly int64_t newest
    cdef Limits limits
    cdef int64_t width, life, late, early, most
    cdef RecentWindow ids, views, units
    cdef BlockCount brought
    cdef Table known_places, known_pages, known_names
    cdef Place *places
    cdef Py_ssize_t room
    cdef list keys
    cdef list texts
    cdef int64_t *rows
    cdef Py_ssize_t row_room

    def __init__(
        self, dict limits, fold, RecentWindow ids, RecentWindow views, RecentWindow units, BlockCount brought
    ):
        self.limits = limits
        self.width, self.life = fold.bucket_ms, fold.bucket_ms and fold.bucket_ms + fold.bucket_life_ms
        self.late, self.early = fold.late_ms, fold.early_ms
        self.most = fold.unit_impressions
        self.ids, self.views, self.units, self.brought = ids, views, units, brought
        self.known_places, self.known_pages, self.known_names = Table(), Table(), Table()
        self.keys, self.texts = [], []
        if self.limits.slots.most > MOST_SLOTS or self.limits.page.most + self.limits.unit.most > MOST_BYTES:
            raise ValueError(f"expected at most {MOST_SLOTS} slots, {MOST_BYTES} bytes of page and unit; got {limits}")

    def __dealloc__(self):
        free(self.places)
        free(self.rows)

    cdef int new_rows(self) except -1:
        """A place for the row of each name, none of them known."""
        cdef Py_ssize_t size = len(self.texts)
        if size > self.row_room:
            self.row_room = size * 2
            self.rows = <int64_t *>realloc(self.rows, self.row_room * sizeof(int64_t))
            if self.rows == NULL:
                raise MemoryError
        memset(self.rows, 0xFF, size * sizeof(int64_t))
        return 0

    def learn(self, int64_t bucket, event, int group, int whole):
        """The quota has admitted an impression: its names are plain from now on.  False when there is no more room."""
        cdef int64_t page = self._page(bucket, event.page)
        cdef int traffic = _traffic(event.variant)
        cdef Name name = self._place_name(page, traffic, _of(event.segment))
        cdef int64_t number = len(self.keys)
        if number >= 1 << PLACE_BITS or len(self.texts) + 2 * MOST_SLOTS >= 1 << NAME_BITS:
            return False
        if self.known_places.get(name) == UNKNOWN:
            self._make_room()
            self.places[number] = Place(page, group, whole, traffic)
            self.keys.append((event.page, event.segment, bucket, event.variant if traffic else 0))
            self.known_places.put(name, number)
        for shown in event.slots:
            self._learn_name(page * 2, shown.item)
            self._learn_name(page * 2 + 1, shown.slot)
        return True

    cdef int64_t _page(self, int64_t bucket, str page) except -1:
        cdef Name name = _within(<uint64_t>bucket, _of(page))
        cdef int64_t number = self.known_pages.get(name)
        if number == UNKNOWN:
            number = self.known_pages.used
            self.known_pages.put(name, number)
        return number

    cdef inline Name _place_name(self, int64_t page, int traffic, Name segment) noexcept:
        return _within(<uint64_t>(page * 4 + traffic), segment)

    cdef int _make_room(self) except -1:
        if len(self.keys) >= self.room:
            self.room = self.room * 2 or 256
            self.places = <Place *>realloc(self.places, self.room * sizeof(Place))
            if self.places == NULL:
                raise MemoryError
        return 0

    cdef int _learn_name(self, uint64_t where, str text) except -1:
        cdef Name name = _within(where, _of(text))
        if self.known_names.get(name) == UNKNOWN:
            self.known_names.put(name, len(self.texts))
            self.texts.append(text)
        return 0

    def take(self, list records, Py_ssize_t at, int64_t first, int64_t newest, Taken taken, dict aside):
        """Judge records from place `at` on up to one that is not plain; the place of that one.

        Those below offset `first` are noted in the windows alone.  Offsets of what does not count
        are added to `aside`, by verdict.  `newest` is the largest append time (ms) before, and the attribute the one after.
        """
        cdef Py_ssize_t end = len(records)
        cdef bytes value, key
        cdef int64_t offset, timestamp
        cdef Event event
        cdef list duplicates = aside["duplicate"], robots = aside["robot"]
        if taken.shortcut is not self:
            raise ValueError("expected what this shortcut takes, got that of another")
        self.newest = newest
        while at < end:
            record = records[at]
            payload, owner = record.value, record.key
            if not (PyBytes_CheckExact(payload) and PyBytes_CheckExact(owner)):
                break
            value, key, offset, timestamp = payload, owner, record.offset, record.timestamp
            if not _impression(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), &event, &self.limits):
                break
            if not self._fit(&event, key, timestamp):
                break
            if not self._judge(&event, offset, timestamp, offset >= first, taken, duplicates, robots):
                break
            self.newest = max(self.newest, timestamp)
            at += 1
        return at

    cdef bint _fit(self, Event *event, bytes key, int64_t timestamp) noexcept:
        cdef int64_t lateness = timestamp - event.occurred_at
        cdef int64_t newest = max(self.newest, timestamp)
        if not _is(&event.unit, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)):
            return False
        if (self.early and -lateness > self.early) or (self.late and lateness > self.late):
            return False
        return not self.life or self._bucket(event) + self.life >= newest

    cdef inline int64_t _bucket(self, Event *event) noexcept:
        return event.occurred_at - event.occurred_at % self.width if self.width else 0

    cdef int _judge(
        self, Event *event, int64_t offset, int64_t timestamp, bint counts, Taken taken, list duplicates, list robots
    ) except -1:
        cdef int64_t place = UNKNOWN
        cdef bint robot = False
        cdef int32_t new_view, new_unit
        cdef One *one
        cdef Name page = _name(event.page.at, event.page.size)
        cdef Name view = _name(event.page_view_id.at, event.page_view_id.size)
        cdef Name unit = self._unit_of_page(event)
        cdef Name ident = _name(event.event_id.at, event.event_id.size)
        cdef Name owner
        if self.most:
            owner = self.brought.name(_name(event.unit.at, event.unit.size), timestamp // DAY_MS)
            self.brought.expect(owner)
        self.views.expect(view)
        self.units.expect(unit)
        self.ids.expect(ident)
        if counts:
            place = self._place(event, page, taken)
            if place == UNKNOWN:
                return 0
        if self.most:
            robot = self.brought.note(owner, offset) > self.most
        new_view = not self.views.note(view, offset)
        new_unit = not self.units.note(unit, offset)
        if self.ids.note(ident, offset):
            duplicates.append(offset)
        elif counts and robot:
            robots.append(offset)
        elif counts:
            one = &taken.ones[taken.count]
            one.offset, one.place, one.cells = offset, <int32_t>place, event.shown
            one.unit, one.marks = _bin(event.unit), new_view | (new_unit << 1)
            taken.count += 1
            taken.cell_count += event.shown
        return 1

    cdef int64_t _place(self, Event *event, Name page_name, Taken taken) except? -2:
        """The place of an event; its cells are written behind those taken.  UNKNOWN where a name is."""
        cdef int64_t page = self.known_pages.get(_within(<uint64_t>self._bucket(event), page_name))
        cdef int64_t place, item, slot
        cdef int step
        if page == UNKNOWN:
            return UNKNOWN
        place = self.known_places.get(
            self._place_name(page, _traffic(event.variant), _name(event.segment.at, event.segment.size))
        )
        if place == UNKNOWN:
            return UNKNOWN
        taken.make_room(event.shown)
        for step in range(event.shown):
            item = self._number_of(page * 2, &event.items[step])
            slot = self._number_of(page * 2 + 1, &event.slots[step])
            if item == UNKNOWN or slot == UNKNOWN:
                return UNKNOWN
            taken.cells[taken.cell_count + step] = (<uint64_t>item << NAME_BITS) | <uint64_t>slot
        return place

    cdef inline int64_t _number_of(self, uint64_t where, Text *text) noexcept:
        return self.known_names.get(_within(where, _name(text.at, text.size)))

    cdef Name _unit_of_page(self, Event *event) noexcept:
        """The name that `Judge` notes: page, line feed, unit."""
        cdef char[MOST_BYTES + 1] both
        memcpy(both, event.page.at, event.page.size)
        both[event.page.size] = 10
        memcpy(both + event.page.size + 1, event.unit.at, event.unit.size)
        return _name(both, event.page.size + 1 + event.unit.size)


cdef inline Name _of(str text):
    cdef bytes encoded = text.encode("utf-8", "surrogatepass")
    return _name(PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))


cdef inline int _traffic(int64_t variant) noexcept nogil:
    return 0 if variant >= 0 else (1 if variant == -1 else 2)


cdef inline uint32_t _bin(Text unit) noexcept nogil:
    """CRC-32 of a unit modulo 256."""
    cdef uint32_t value = ~<uint32_t>0
    cdef Py_ssize_t at
    for at in range(unit.size):
        value = _crc[(value ^ <unsigned char>unit.at[at]) & 255] ^ (value >> 8)
    return ~value & 255
