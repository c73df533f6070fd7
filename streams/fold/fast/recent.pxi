# What a partition had lately: names, and how often each key.

cdef enum:
    # As `streams.fold.window.Kind`.
    EVENT = 1
    VIEW = 2
    UNIT = 3
    # Entries have 32 bits of an offset; a window has fewer than this.
    MOST_REACH = 1 << 30
    # An offset, and what holds from there on.
    CHANGE = 3

cdef struct Step:
    int64_t offset
    int64_t time


cdef class RecentNames:
    """As `streams.fold.window.RecentNames`, and what it notes can be written down and loaded again.

    Names are known by 93 bits of a hash under `key`; `notes` says whether to keep what is to be written down.
    """

    cdef readonly int64_t floor, time_floor, offset, reach
    cdef int64_t start, step, step_time, step_begin, steps_back, time, noted_time, purged_at
    cdef uint64_t[4] keys
    cdef SeenTable names, counts
    cdef RecentParts parts
    cdef Step *steps
    cdef Py_ssize_t first_step, step_count, step_room
    cdef int64_t *changes
    cdef Py_ssize_t change, change_count
    cdef KeyRuns runs
    cdef Seen *notes
    cdef Py_ssize_t note_count, note_room
    cdef bint keeps_notes

    def __cinit__(self, reach, bytes key, bint notes=False):
        cdef int at
        if len(key) != 32:
            raise ValueError(f"expected a key of 32 bytes, got {len(key)}")
        for at in range(4):
            self.keys[at] = word(PyBytes_AS_STRING(key) + 8 * at) | 1
        self.step, self.steps_back = reach.step_ms, reach.steps
        self.change_count = len(reach.changes)
        self.changes = <int64_t *>malloc(CHANGE * self.change_count * sizeof(int64_t))
        self.step_room = reach.steps + 4
        self.steps = <Step *>malloc(2 * self.step_room * sizeof(Step))
        if self.changes == NULL or self.steps == NULL:
            raise MemoryError
        for at, (offset, records, parts) in enumerate(reach.changes):
            self.changes[CHANGE * at] = offset
            self.changes[CHANGE * at + 1], self.changes[CHANGE * at + 2] = min(records, MOST_REACH - 1), parts
        self.names, self.counts = SeenTable(), SeenTable()
        self.runs, self.parts = KeyRuns(), RecentParts(reach.block)
        self.reach, self.parts.most = self.changes[1], self.changes[2]
        self.start, self.offset, self.time, self.noted_time = -1, -1, -1, -1
        self.keeps_notes = notes

    def __dealloc__(self):
        free(self.steps)
        free(self.changes)
        free(self.notes)

    def enter(self, int64_t offset, int64_t timestamp):
        """Go on to the record at `offset` (offsets never go down), appended at `timestamp`."""
        self.enter_step(offset, timestamp)

    def seen(self, int64_t kind, str name not None):
        """Note a name of a kind with the record, and say whether it is recent."""
        return bool(self.note(self.of_kind(kind, self.of_text(name))))

    def part_seen(self, str owner not None, str name not None):
        """Note a part of the record, and say whether its owner has it lately, or the record twice."""
        return bool(self.note_part(self.of_part(self.of_text(owner), self.of_text(name))))

    def count(self, bytes key not None):
        """Note one more of `key` with the record; how many there are lately."""
        return self.note_key(self.of_key(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)))

    def covered_ms(self, int64_t first):
        """How long ago the first record from offset `first` on was, as far as that is known."""
        cdef Py_ssize_t at
        for at in range(self.first_step, self.first_step + self.step_count):
            if self.steps[at].offset >= first:
                return (self.time - self.steps[at].time) * self.step
        return 0

    @property
    def wanted(self):
        """How many offsets there are of the time that the window is to reach, as far as they are known."""
        return self.offset + 1 - max(self.time_floor, self.start) if self.start >= 0 else 0

    @property
    def size(self):
        """Bytes of memory that the tables take."""
        cdef int64_t runs = self.runs.run_count * sizeof(Run)
        return self.names.bytes() + self.counts.bytes() + runs + self.parts.table.bytes()

    @property
    def part_floor(self):
        """The first offset whose parts are remembered."""
        return self.parts.floor

    def forget_parts(self, int64_t first):
        """Parts of earlier records are not to be remembered."""
        self.parts.floor = max(self.parts.floor, first)

    def written(self):
        """What was noted since the last time, to be written down."""
        cdef bytes noted = PyBytes_FromStringAndSize(<char *>self.notes, self.note_count * sizeof(Seen))
        self.note_count = 0
        return noted

    def load(self, bytes written not None, int64_t first):
        """Note again what was written down; its offsets are `first` or larger."""
        cdef Seen *entries = <Seen *>PyBytes_AS_STRING(written)
        cdef Py_ssize_t at, ahead, count = PyBytes_GET_SIZE(written) // sizeof(Seen)
        cdef bint kept = self.keeps_notes
        self.keeps_notes = False
        with nogil:
            for at in range(count):
                ahead = min(at + 16, count - 1)
                if entries[ahead].low & 7 == NAME_ENTRY:
                    self.names.expect(entries[ahead])
                self._load(entries[at], first + <uint32_t>(entries[at].value - <uint32_t>first))
        self.keeps_notes = kept

    cdef inline int enter_step(self, int64_t offset, int64_t timestamp) except -1 nogil:
        if not self.step_begin <= timestamp < self.step_begin + self.step:
            self.step_time = max(timestamp, 0) // self.step
            self.step_begin = self.step_time * self.step
        return self._enter(offset, self.step_time)

    cdef inline Seen of_key(self, const char *at, Py_ssize_t size) noexcept nogil:
        """A key as an entry at this record."""
        return _seen(_name(self.keys, at, size), KEY_ENTRY, <uint32_t>self.offset)

    cdef inline Name of_text(self, str name):
        cdef bytes encoded = name.encode("utf-8", "surrogatepass")
        return _name(self.keys, PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))

    cdef int _load(self, Seen entry, int64_t offset) except -1 nogil:
        cdef int kind = entry.low & 7
        if kind == TIME_ENTRY:
            self.noted_time = entry.low >> ENTRY_BITS
            return self._enter(offset, self.noted_time)
        self._enter(offset, self.time)
        if kind == NAME_ENTRY:
            self.note(entry)
        elif kind == PART_ENTRY:
            self.note_part(entry)
        else:
            self.note_key(entry)
        return 0

    cdef int _enter(self, int64_t offset, int64_t time) except -1 nogil:
        if offset == self.offset:
            return 0
        if self.start < 0:
            self.start = self.purged_at = offset
        elif offset - self.purged_at >= MOST_REACH:
            self._purge(offset)
        self.offset, self.time = offset, time
        while self.change < self.change_count and self.changes[CHANGE * self.change] <= offset:
            self.reach = self.changes[CHANGE * self.change + 1]
            self.parts.most = self.changes[CHANGE * self.change + 2]
            self.change += 1
        self._enter_time(offset, time)
        self.floor = max(self.floor, max(self.time_floor, offset - self.reach))
        while self.runs.oldest != NULL and <uint32_t>(<uint32_t>offset - self.runs.first().value) > offset - self.floor:
            self._drop_oldest()
        self.parts.enter(offset, self.floor)
        if self.keeps_notes and time != self.noted_time:
            self.noted_time = time
            self._write(Seen((<uint64_t>time << ENTRY_BITS) | TIME_ENTRY, 0, <uint32_t>offset))
        return 0

    cdef int _enter_time(self, int64_t offset, int64_t time) except -1 nogil:
        """Of the steps of time only the last offset of each matters, and only up to the next one that is earlier."""
        while self.step_count and self.steps[self.first_step].time < time - self.steps_back:
            self.time_floor = self.steps[self.first_step].offset + 1
            self.first_step += 1
            self.step_count -= 1
        while self.step_count and self.steps[self.first_step + self.step_count - 1].time >= time:
            self.step_count -= 1
        if self.first_step + self.step_count == 2 * self.step_room:
            memmove(self.steps, &self.steps[self.first_step], self.step_count * sizeof(Step))
            self.first_step = 0
        self.steps[self.first_step + self.step_count] = Step(offset, time)
        self.step_count += 1
        return 0

    cdef int _purge(self, int64_t offset) except -1 nogil:
        """Before 32 bits do not tell offsets apart any more."""
        cdef int64_t live = self.offset + 1 - self.floor if offset - self.offset < MOST_REACH else 0
        self.names.purge(<uint32_t>self.offset, <uint32_t>live)
        self.parts.table.purge(<uint32_t>self.offset, <uint32_t>live)
        while not live and self.runs.oldest != NULL:
            self._drop_oldest()
        self.purged_at = offset
        return 0

    cdef inline Seen of_kind(self, int kind, Name name) noexcept nogil:
        """A name of a kind as an entry at this record."""
        name.high = folded(name.high ^ kind, self.keys[3])
        name.low = folded(name.low ^ self.keys[2], kind ^ self.keys[0])
        return _seen(name, NAME_ENTRY, <uint32_t>self.offset)

    cdef inline Seen of_part(self, Name owner, Name part) noexcept nogil:
        """A part of an owner as an entry at this record."""
        cdef uint64_t mixed = folded(owner.high ^ part.low, owner.low ^ part.high ^ self.keys[3])
        # The bits of the owner alone say where to look, so that its parts lie side by side.
        owner.low = (owner.low >> 58 << 55) | (mixed >> 9)
        return _seen(owner, PART_ENTRY, <uint32_t>self.offset)

    cdef inline bint holds(self, Seen name) noexcept nogil:
        """What `note` would say."""
        cdef uint32_t live = <uint32_t>(self.offset + 1 - self.floor)
        cdef Seen *entry = self.names.find(name, name.value, live)
        return entry.low == name.low and entry.high == name.high and name.value - entry.value < live

    cdef inline int64_t key_count(self, Seen name) noexcept nogil:
        """How many there are of a key before this record."""
        cdef Seen *entry = self.counts.find(name, NONE_BEFORE, NONE_BEFORE)
        return entry.value if entry.low == name.low and entry.high == name.high else 0

    cdef inline int note(self, Seen name) except -1 nogil:
        """Note a name with its record; whether it is recent."""
        cdef uint32_t live = <uint32_t>(self.offset + 1 - self.floor)
        cdef Seen *entry = self.names.find(name, name.value, live)
        cdef bint there = entry.low == name.low and entry.high == name.high
        cdef bint recent = there and name.value - entry.value < live
        if there:
            entry.value = name.value
        else:
            self.names.fill(entry, name, name.value, live)
        if self.keeps_notes:
            self._write(name)
        return recent

    cdef inline int note_part(self, Seen name) except -1 nogil:
        """Note a part of a record with it; whether it is recent, or is there twice."""
        cdef bint recent = self.parts.note(name)
        self.parts.add(1)
        if self.keeps_notes:
            self._write(name)
        return recent

    cdef inline int note_parts(self, Seen *parts, int new, int count, bint new_owner) except -1 nogil:
        """Note the parts of one owner, of which the first ones are `new`."""
        cdef int at
        if new_owner:
            self.parts.note_new(parts, new)
        else:
            for at in range(count):
                self.parts.note(parts[at])
        self.parts.add(count)
        if self.keeps_notes:
            for at in range(count):
                self._write(parts[at])
        return 0

    cdef inline int64_t note_key(self, Seen name) except -1 nogil:
        """Count a key with its record; how many there are."""
        cdef Seen *entry = self.counts.find(name, NONE_BEFORE, NONE_BEFORE)
        cdef Seen one = name
        cdef int64_t count = 1
        self.runs.append(name)
        if entry.low == name.low and entry.high == name.high:
            entry.value += 1
            count = entry.value
        else:
            one.value = 1
            self.counts.fill(entry, one, NONE_BEFORE, NONE_BEFORE)
        if self.keeps_notes:
            self._write(name)
        return count

    cdef int _drop_oldest(self) noexcept nogil:
        """Count the key less whose record has left the window."""
        self.counts.find(self.runs.first()[0], NONE_BEFORE, NONE_BEFORE).value -= 1
        self.runs.drop()
        return 0

    cdef int _write(self, Seen entry) except -1 nogil:
        if self.note_count == self.note_room:
            self.note_room = self.note_room * 2 or 1_024
            self.notes = <Seen *>realloc(self.notes, self.note_room * sizeof(Seen))
            if self.notes == NULL:
                with gil:
                    raise MemoryError
        self.notes[self.note_count] = entry
        self.note_count += 1
        return 0
