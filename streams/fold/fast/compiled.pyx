# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The common case of an impression, compiled: read, judged and counted without an object for each event.

Only what is plain is done here: the known fields each once, fit, and made of names
that the quota has admitted.  Names may be of any script, and a producer may add
fields of its own.  Everything else is left to `streams.fold.judge`, which stays the
one place that says what happens to a record; a test holds both to the same answers.

Names are known by a keyed hash of 128 bits.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memmove, memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

import os
import zlib

include "names.pxi"
include "seen.pxi"
include "recent.pxi"
include "strings.pxi"
include "unknown.pxi"
include "reading.pxi"
include "counting.pxi"

cdef enum:
    # Records that are judged in one go; few where the next may well not be plain.
    FEW_ROWS = 16
    MOST_ROWS = 1_024


cdef class FastPath:
    """Judges plain impressions of one partition, beside a `Judge` whose window it shares.

    limits: `least` and `most` by field, characters of texts and values of numbers; `slots` is the number of them.
    life: how long after its start a bucket takes impressions in (ms); 0: for ever.
    """

    cdef readonly int64_t newest
    cdef Limits limits
    cdef int64_t width, life, late, early, most
    cdef RecentNames recent
    cdef Table known_places, known_pages, known_names
    cdef CellPlace *places
    cdef Py_ssize_t room
    cdef list keys
    cdef list texts
    cdef int64_t *rows
    cdef Py_ssize_t row_room
    cdef list held
    cdef Row[MOST_ROWS] gathered
    cdef char *spare
    cdef Py_ssize_t spare_room
    cdef int64_t[MOST_ROWS] duplicates
    cdef int64_t[MOST_ROWS] robots
    cdef Py_ssize_t doubled, brought_much

    def __init__(self, dict limits, fold, int64_t life, RecentNames recent):
        self.limits = limits
        self.width, self.life = fold.bucket_ms, life
        self.late, self.early = fold.allowed_lateness_ms, fold.max_clock_skew_ms
        if limits.keys() != (<dict>self.limits).keys():
            raise ValueError(f"expected the fields {sorted(<dict>self.limits)}, got {sorted(limits)}")
        self.most = fold.unit_impressions
        self.recent = recent
        self.known_places, self.known_pages, self.known_names = Table(), Table(), Table()
        self.keys, self.texts = [], []
        if self.limits.slots.most > MOST_SLOTS or self.limits.page.most + self.limits.unit.most > MOST_BYTES // 4:
            raise ValueError(f"expected at most {MOST_SLOTS} slots, {MOST_BYTES // 4} of page and unit; got {limits}")

    def __dealloc__(self):
        free(self.places)
        free(self.rows)
        free(self.spare)

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

    def admit_names(self, int64_t bucket, event, int group, int whole):
        """The quota has admitted an impression: its names are plain from now on.  False when there is no more room."""
        cdef int64_t page = self._page(bucket, event.page)
        cdef int traffic = _traffic(event.variant)
        cdef Name name = self._place_name(page, traffic, _of(event.segment))
        cdef int64_t number = len(self.keys)
        if number >= 1 << PLACE_BITS or len(self.texts) + 2 * MOST_SLOTS >= 1 << NAME_BITS:
            return False
        if self.known_places.get(name) == UNKNOWN:
            self._make_room()
            self.places[number] = CellPlace(page, group, whole, traffic)
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

    cdef inline Name _place_name(self, int64_t page, int traffic, Name segment) noexcept nogil:
        return _within(<uint64_t>(page * 4 + traffic), segment)

    cdef int _make_room(self) except -1:
        if len(self.keys) >= self.room:
            self.room = self.room * 2 or 256
            self.places = <CellPlace *>realloc(self.places, self.room * sizeof(CellPlace))
            if self.places == NULL:
                raise MemoryError
        return 0

    cdef int _learn_name(self, uint64_t where, str text) except -1:
        cdef Name name = _within(where, _of(text))
        if self.known_names.get(name) == UNKNOWN:
            self.known_names.put(name, len(self.texts))
            self.texts.append(text)
        return 0

    def take(self, list records, Py_ssize_t at, int64_t first, int64_t newest, FastEvents fast_events, dict skipped):
        """Judge records from place `at` on up to one that is not plain; the place of that one.

        Those below offset `first` are noted in the windows alone.  Offsets of what does not count
        are added to `skipped`, by verdict.  `newest` is the largest append time (ms) before, and the attribute the one after.
        """
        cdef Py_ssize_t end = len(records), ahead = FEW_ROWS, gathered, judged
        if fast_events.fast_path is not self:
            raise ValueError("expected what this fast_path takes, got that of another")
        self.newest = newest
        while at < end:
            gathered = self._gather(records, at, min(at + ahead, end))
            with nogil:
                judged = self._take(gathered, first, fast_events)
            self._add_skipped(skipped)
            at += judged
            if judged < gathered or gathered < ahead:
                break
            ahead = MOST_ROWS
        return at

    cdef Py_ssize_t _gather(self, list records, Py_ssize_t at, Py_ssize_t end) except -1:
        """Where the bytes of records lie, up to one that has none; how many.  They are kept as long."""
        cdef Py_ssize_t count = 0
        cdef Row *row
        self.held = held = []
        while at < end:
            record = records[at]
            value, key = record.value, record.key
            if not (PyBytes_CheckExact(value) and PyBytes_CheckExact(key)):
                break
            held.append(value)
            held.append(key)
            row = &self.gathered[count]
            row.value = Text(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
            row.key = Text(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
            row.offset, row.timestamp = record.offset, record.timestamp
            if row.value.size > self.spare_room:
                self._make_spare(row.value.size)
            count += 1
            at += 1
        return count

    cdef int _make_spare(self, Py_ssize_t size) except -1:
        """Room for the texts of one record without their escapes."""
        free(self.spare)
        self.spare, self.spare_room = <char *>malloc(size * 2), size * 2
        if self.spare == NULL:
            self.spare_room = 0
            raise MemoryError
        return 0

    cdef Py_ssize_t _take(self, Py_ssize_t gathered, int64_t first, FastEvents fast_events) except -1 nogil:
        """How many of those gathered are plain, up to one that is not.  Other threads run meanwhile."""
        cdef Py_ssize_t at
        cdef Row *row
        cdef Event event
        self.doubled = self.brought_much = 0
        for at in range(gathered):
            row = &self.gathered[at]
            if not _impression(row.value, self.spare, &event, &self.limits):
                return at
            if not self._fit(&event, row):
                return at
            if not self._judge(&event, row.offset, row.timestamp, row.offset >= first, fast_events):
                return at
            self.newest = max(self.newest, row.timestamp)
        return gathered

    cdef int _add_skipped(self, dict skipped) except -1:
        cdef Py_ssize_t at
        cdef list duplicates = skipped["duplicate"], robots = skipped["robot"]
        for at in range(self.doubled):
            duplicates.append(self.duplicates[at])
        for at in range(self.brought_much):
            robots.append(self.robots[at])
        return 0

    cdef bint _fit(self, Event *event, Row *row) noexcept nogil:
        cdef int64_t lateness = row.timestamp - event.occurred_at
        cdef int64_t newest = max(self.newest, row.timestamp)
        if not _is(&event.unit, row.key.at, row.key.size):
            return False
        if (self.early and -lateness > self.early) or (self.late and lateness > self.late):
            return False
        return not self.life or self._bucket(event) + self.life >= newest

    cdef inline int64_t _bucket(self, Event *event) noexcept nogil:
        return event.occurred_at - event.occurred_at % self.width if self.width else 0

    cdef int _judge(
        self, Event *event, int64_t offset, int64_t timestamp, bint counts, FastEvents fast_events
    ) except -1 nogil:
        cdef int64_t place = UNKNOWN
        cdef bint robot = False
        cdef int32_t new_view, new_unit
        cdef CountedEvent *counted
        cdef Name page = _name(_keys, event.page.at, event.page.size)
        cdef Seen view = self.recent.of_kind(VIEW, _name(self.recent.keys, event.page_view_id.at, event.page_view_id.size))
        cdef Seen unit = self.recent.of_kind(UNIT, self._unit_of_page(event))
        cdef Seen ident = self.recent.of_kind(EVENT, _name(self.recent.keys, event.event_id.at, event.event_id.size))
        cdef Seen owner
        if self.most:
            owner = self.recent.of_key(event.unit.at, event.unit.size)
            self.recent.counts.expect(owner)
        self.recent.names.expect(view)
        self.recent.names.expect(unit)
        self.recent.names.expect(ident)
        if counts:
            place = self._place(event, page, fast_events)
            if place == UNKNOWN:
                return 0
        self.recent.enter_step(offset, timestamp)
        view.value = unit.value = ident.value = owner.value = <uint32_t>offset
        if self.most:
            robot = self.recent.note_key(owner) > self.most
        new_view = not self.recent.note(view)
        new_unit = not self.recent.note(unit)
        if self.recent.note(ident):
            self.duplicates[self.doubled] = offset
            self.doubled += 1
        elif counts and robot:
            self.robots[self.brought_much] = offset
            self.brought_much += 1
        elif counts:
            counted = &fast_events.events[fast_events.count]
            counted.offset, counted.place, counted.cells = offset, <int32_t>place, event.shown
            counted.unit, counted.marks = _bin(event.unit), new_view | (new_unit << 1)
            fast_events.count += 1
            fast_events.cell_count += event.shown
        return 1

    cdef int64_t _place(self, Event *event, Name page_name, FastEvents fast_events) except? -2 nogil:
        """The place of an event; its cells are written behind those fast_events.  UNKNOWN where a name is."""
        cdef int64_t page = self.known_pages.get(_within(<uint64_t>self._bucket(event), page_name))
        cdef int64_t place, item, slot
        cdef int step
        if page == UNKNOWN:
            return UNKNOWN
        place = self.known_places.get(
            self._place_name(page, _traffic(event.variant), _name(_keys, event.segment.at, event.segment.size))
        )
        if place == UNKNOWN:
            return UNKNOWN
        fast_events.make_room(event.shown)
        for step in range(event.shown):
            item = self._number_of(page * 2, &event.items[step])
            slot = self._number_of(page * 2 + 1, &event.slots[step])
            if item == UNKNOWN or slot == UNKNOWN:
                return UNKNOWN
            fast_events.cells[fast_events.cell_count + step] = (<uint64_t>item << NAME_BITS) | <uint64_t>slot
        return place

    cdef inline int64_t _number_of(self, uint64_t where, Text *text) noexcept nogil:
        return self.known_names.get(_within(where, _name(_keys, text.at, text.size)))

    cdef Name _unit_of_page(self, Event *event) noexcept nogil:
        """The name that `Judge` notes: page, line feed, unit."""
        cdef char[MOST_BYTES + 1] both
        memcpy(both, event.page.at, event.page.size)
        both[event.page.size] = 10
        memcpy(both + event.page.size + 1, event.unit.at, event.unit.size)
        return _name(self.recent.keys, both, event.page.size + 1 + event.unit.size)
