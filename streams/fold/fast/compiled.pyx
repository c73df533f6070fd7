# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The common case of an impression, compiled: read, judged and counted without an object for each event.

Events of other topics are decoded to objects, and what is plain of them judged (`events.pxi`).

Only what is plain is done here: the known fields each once, fit, and made of names
that the quota has admitted.  Names may be of any script, and a producer may add
fields of its own.  Everything else is left to `streams.fold.judge`, which stays the
one place that says what happens to a record; a test holds both to the same answers.

Names are known by a keyed hash of 128 bits.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memmove, memset
from cpython.array cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8

import os
import zlib

include "names.pxi"
include "seen.pxi"
include "runs.pxi"
include "parts.pxi"
include "recent.pxi"
include "strings.pxi"
include "unknown.pxi"
include "reading.pxi"
include "naming.pxi"
include "known.pxi"
include "counting.pxi"
include "blocks.pxi"
include "events.pxi"

cdef enum:
    # Records that are judged in one go; few where the next may well not be plain.
    FEW_ROWS = 16
    MOST_ROWS = 1_024


cdef class FastPath:
    """Judges plain impressions of one partition, beside a `Judge` whose window it shares.

    limits: `least` and `most` by field, characters of texts and values of numbers; `slots` is the number of them.
    life: how long after its start a bucket takes impressions in (ms); 0: for ever.
    visible_cap: the most that the visible time of a slot counts as (ms).
    """

    cdef readonly int64_t newest
    cdef Limits limits
    cdef int64_t width, life, late, early, most, visible_cap
    cdef RecentNames recent
    cdef KnownNames known
    cdef bint lacks_names
    cdef list held
    cdef Row[MOST_ROWS] gathered
    cdef char *spare
    cdef Py_ssize_t spare_room
    cdef int64_t[MOST_ROWS] duplicates
    cdef int64_t[MOST_ROWS] robots
    cdef int64_t[MOST_ROWS] repeats
    cdef Py_ssize_t doubled, brought_much, repeated

    def __init__(self, dict limits, fold, int64_t life, RecentNames recent, int64_t visible_cap):
        self.limits = limits
        self.width, self.life, self.visible_cap = fold.bucket_ms, life, visible_cap
        self.late, self.early = fold.allowed_lateness_ms, fold.max_clock_skew_ms
        if limits.keys() != (<dict>self.limits).keys():
            raise ValueError(f"expected the fields {sorted(<dict>self.limits)}, got {sorted(limits)}")
        self.most = fold.unit_impressions
        self.recent = recent
        if not 0 <= visible_cap < MOST_VISIBLE:
            raise ValueError(f"expected visible times below {MOST_VISIBLE} ms; got {visible_cap}")
        self.known = KnownNames()
        most = self.limits.page.most + self.limits.unit.most + self.limits.page_view_id.most
        if self.limits.slots.most > MOST_SLOTS or most > MOST_BYTES // 4:
            raise ValueError(f"expected at most {MOST_SLOTS} slots, {MOST_BYTES // 4} characters of names; got {limits}")

    def __dealloc__(self):
        free(self.spare)

    @property
    def full(self):
        """Whether there is no more room for names."""
        return self.known.full

    @property
    def bucket(self):
        """The newest bucket of names that it has; -1 before the first."""
        return self.known.bucket

    def admit_names(self, event, int64_t bucket, tuple groups):
        """The quota has admitted an impression, of these groups of its key and page: its names are plain from now on."""
        self.known.admit(event, bucket, groups)

    def take(
        self, list records, Py_ssize_t at, int64_t first, int64_t newest, FastEvents fast_events, dict skipped, new_names
    ):
        """Judge records from place `at` on up to one that is not plain; the place of that one.

        Those below offset `first` are noted in the windows alone.  Offsets of what does not count
        are added to `skipped`, by verdict.  `newest` is the largest append time (ms) before, and the attribute the one after.
        Names that are new go to `new_names` (`streams.fold.names.quota.NewNames`), if it is given and has room for them.
        """
        cdef Py_ssize_t end = len(records), ahead = FEW_ROWS, gathered, judged
        if fast_events.known is not self.known:
            raise ValueError("expected what this fast_path takes, got that of another")
        self.newest = newest
        while at < end:
            gathered = self._gather(records, at, min(at + ahead, end))
            judged = self._take_gathered(gathered, first, fast_events, new_names)
            self._add_skipped(skipped)
            at += judged
            if judged < gathered or gathered < ahead:
                break
            ahead = MOST_ROWS
        return at

    cdef Py_ssize_t _take_gathered(
        self, Py_ssize_t gathered, int64_t first, FastEvents fast_events, new_names
    ) except -1:
        """How many of those gathered are plain; names that are new are taken in on the way."""
        cdef Py_ssize_t judged = 0
        cdef Event event
        cdef Seen[MOST_SLOTS] parts
        self.doubled = self.brought_much = self.repeated = 0
        while True:
            self.lacks_names = False
            with nogil:
                judged = self._take(judged, gathered, first, fast_events)
            if not self.lacks_names or new_names is None:
                return judged
            _impression(self.gathered[judged].value, self.spare, &event, &self.limits)
            _name_parts(self.recent, &event, parts)
            _leave_out_repeated(self.recent, &event, not self.recent.holds(_view(self.recent, &event)), parts)
            if not self.known.add(&event, self._bucket(&event), self.gathered[judged].offset, new_names):
                return judged

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

    cdef Py_ssize_t _take(
        self, Py_ssize_t at, Py_ssize_t gathered, int64_t first, FastEvents fast_events
    ) except -1 nogil:
        """The place of the first from `at` on that is not plain, or their number.  Other threads run meanwhile."""
        cdef Row *row
        cdef Event event
        while at < gathered:
            row = &self.gathered[at]
            if not _impression(row.value, self.spare, &event, &self.limits):
                break
            if not self._fit(&event, row):
                break
            if not self._judge(&event, row.offset, row.timestamp, row.offset >= first, fast_events):
                break
            self.newest = max(self.newest, row.timestamp)
            at += 1
        return at

    cdef int _add_skipped(self, dict skipped) except -1:
        cdef Py_ssize_t at
        cdef list duplicates = skipped["duplicate"], robots = skipped["robot"], repeats = skipped["repeated"]
        for at in range(self.doubled):
            duplicates.append(self.duplicates[at])
        for at in range(self.brought_much):
            robots.append(self.robots[at])
        for at in range(self.repeated):
            repeats.append(self.repeats[at])
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
        cdef Seen view, unit, ident, owner
        cdef Seen[MOST_SLOTS] parts
        cdef int reported = event.shown
        self.recent.enter_step(offset, timestamp)
        view = _view(self.recent, event)
        unit = self.recent.of_kind(UNIT, _within_page(self.recent, event, &event.unit))
        ident = self.recent.of_kind(EVENT, _name(self.recent.keys, event.event_id.at, event.event_id.size))
        if self.most:
            owner = self.recent.of_key(event.unit.at, event.unit.size)
            self.recent.counts.expect(owner)
        self.recent.names.expect(view)
        self.recent.names.expect(unit)
        self.recent.names.expect(ident)
        _name_parts(self.recent, event, parts)
        new_view = not self.recent.holds(view)
        _leave_out_repeated(self.recent, event, new_view, parts)
        if self.most:
            robot = self.recent.key_count(owner) >= self.most
        if counts and not robot and not self.recent.holds(ident):
            place = self._place(event, page, fast_events) if event.shown else 0
            if place == UNKNOWN:
                self.lacks_names = True
                return 0
        if self.most:
            self.recent.note_key(owner)
        self.recent.note(view)
        new_unit = not self.recent.note(unit)
        self.recent.note_parts(parts, event.shown, reported, new_view)
        if self.recent.note(ident):
            self.duplicates[self.doubled] = offset
            self.doubled += 1
        elif counts and robot:
            self.robots[self.brought_much] = offset
            self.brought_much += 1
        elif counts and not event.shown:
            self.repeats[self.repeated] = offset
            self.repeated += 1
        elif counts:
            counted = &fast_events.events[fast_events.count]
            counted.offset, counted.place, counted.cells = offset, <int32_t>place, event.shown
            counted.unit, counted.marks = _bin(event.unit), new_view | (new_unit << 1)
            fast_events.count += 1
            fast_events.cell_count += event.shown
        return 1

    cdef int64_t _place(self, Event *event, Name page_name, FastEvents fast_events) except? -2 nogil:
        """The place of an event; its cells are written behind those fast_events.  UNKNOWN where a name is."""
        cdef int64_t page = self.known.page(self._bucket(event), page_name)
        cdef int64_t place, item, slot
        cdef int64_t[MOST_SLOTS] shelves
        cdef uint64_t time
        cdef int step, row
        if page == UNKNOWN:
            return UNKNOWN
        place = self.known.place(page, _traffic(event.variant), _name(_keys, event.segment.at, event.segment.size))
        if place == UNKNOWN:
            return UNKNOWN
        fast_events.make_room(event.shown)
        for row in range(event.rows):
            shelves[row] = self.known.name(page, SHELF, &event.shelves[row])
            if shelves[row] == UNKNOWN:
                return UNKNOWN
        for step in range(event.shown):
            row = event.row_of[step]
            fast_events.shelves[fast_events.cell_count + step] = 0 if row == UNKNOWN else <uint32_t>shelves[row] + 1
            item = self.known.name(page, ITEM, &event.items[step])
            slot = self.known.name(page, SLOT, &event.slots[step])
            if item == UNKNOWN or slot == UNKNOWN:
                return UNKNOWN
            time = <uint64_t>(min(event.visible_ms[step], self.visible_cap) - UNTIMED)
            fast_events.cells[fast_events.cell_count + step] = (
                (time << (2 * NAME_BITS)) | (<uint64_t>item << NAME_BITS) | <uint64_t>slot
            )
        return place
