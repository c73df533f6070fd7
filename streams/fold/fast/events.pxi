# Events of other topics than impressions: decoded to objects, and judged without Python in between.

cdef enum:
    ORDER = 4
    CLICK = 5
    ADMITTED = 6
    # Combinations of names that are remembered as admitted, of so many buckets, the newest ones.
    MOST_ADMITTED = 32_768
    ADMITTED_BUCKETS = 2


cdef class EventPath:
    """Judges plain events of one partition, beside a `Judge` whose window it shares; others are left to that.

    rules: the `streams.fold.fast.path.EventRules` of the topic.
    """

    cdef readonly int64_t newest
    cdef object decode, make, kind, time_field, currency, kinds
    cdef int64_t width, life, late, early, most
    cdef bint orders, once_per_slot
    cdef RecentNames recent
    cdef SeenTable admitted
    cdef int64_t admitted_count, newest_bucket

    def __init__(self, decode, kind, rules, fold, RecentNames recent):
        self.decode, self.kind, self.make, self.recent = decode, kind, tuple.__new__, recent
        self._forget_admitted()
        self.newest_bucket = 0
        self.time_field, self.currency, self.kinds = rules.time_field, rules.currency, rules.kinds
        self.width, self.life, self.late, self.early = fold.bucket_ms, rules.life, rules.late, fold.max_clock_skew_ms
        self.most, self.orders, self.once_per_slot = rules.most, rules.marks_orders, rules.once_per_slot

    def take(
        self,
        list records,
        Py_ssize_t at,
        int64_t first,
        int64_t newest,
        list accepted,
        dict skipped,
        admit,
        list refused,
    ):
        """Judge records from place `at` on up to one that is not plain; the place of that one.

        Arguments are as those of `FastPath.take`; what `admit` refuses is put into `refused`, with its record.
        """
        cdef Py_ssize_t end = len(records)
        self.newest = newest
        while at < end and self._take(records[at], first, accepted, skipped, admit, refused):
            at += 1
        return at

    cdef int _take(self, record, int64_t first, list accepted, dict skipped, admit, list refused) except -1:
        cdef int64_t offset, timestamp, time_ms
        cdef bint robot = False, repeated = False, new_order = False
        value, key = record.value, record.key
        if not (PyBytes_CheckExact(value) and PyBytes_CheckExact(key)):
            return 0
        try:
            event = self.decode(value)
        except Exception:
            return 0
        offset, timestamp, time_ms = record.offset, record.timestamp, getattr(event, self.time_field)
        if not self._fits(event, <bytes>key, time_ms, timestamp):
            return 0
        self.newest = max(self.newest, timestamp)
        self.recent.enter_step(offset, timestamp)
        if self.most:
            owner = self.recent.of_key(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
            robot = self.recent.note_key(owner) > self.most
        if self.orders:
            new_order = not self._note(ORDER, f"{event.page}\n{event.order_id}")
        elif self.once_per_slot:
            repeated = self._note(CLICK, f"{event.page}\n{event.unit}\n{event.page_view_id}\n{event.slot}")
        if self._note(EVENT, event.event_id):
            (<list>skipped["duplicate"]).append(offset)
        elif offset < first:
            return 1
        elif robot:
            (<list>skipped["robot"]).append(offset)
        elif repeated:
            (<list>skipped["repeated"]).append(offset)
        elif self.kinds is not None and event.kind not in self.kinds:
            (<list>skipped["undeclared"]).append(offset)
        else:
            entry = self.make(self.kind, (offset, self._bucket(time_ms), event, False, False, new_order))
            refusal = None if admit is None else self._refusal(admit, entry, event, time_ms)
            if refusal is None:
                accepted.append(entry)
            else:
                refused.append((record, refusal))
        return 1

    cdef object _refusal(self, admit, entry, event, int64_t time_ms):
        """Why an event is over a quota; names that were admitted to a bucket stay so."""
        cdef int64_t bucket = self._bucket(time_ms)
        cdef int64_t number = bucket // self.width if self.width else 0
        cdef str names = f"{bucket}\n{event.page}\n{event.segment}\n{event.item}\n{event.slot}\n{event.shelf}"
        cdef Seen name = self.recent.of_kind(ADMITTED, self.recent.of_text(names))
        cdef Seen *place
        self.newest_bucket = max(self.newest_bucket, number)
        name.value = <uint32_t>number
        place = self.admitted.find(name, <uint32_t>self.newest_bucket, ADMITTED_BUCKETS)
        if place.low == name.low and place.high == name.high:
            return None
        refusal = admit(entry)
        if refusal is None and self.newest_bucket - number < ADMITTED_BUCKETS:
            if self.admitted_count == MOST_ADMITTED:
                self._forget_admitted()
                place = self.admitted.find(name, NONE_BEFORE, NONE_BEFORE)
            self.admitted_count += place.low == 0
            self.admitted.fill(place, name, <uint32_t>self.newest_bucket, ADMITTED_BUCKETS)
        return refusal

    cdef int _forget_admitted(self) except -1:
        self.admitted, self.admitted_count = SeenTable(), 0
        return 0

    @property
    def admitted_bytes(self):
        """Bytes of memory that names take which are remembered as admitted."""
        return self.admitted.bytes()

    cdef bint _fits(self, event, bytes key, int64_t time_ms, int64_t timestamp) except -1:
        cdef int64_t lateness = timestamp - time_ms
        if (<str>event.unit).encode("utf-8") != key:
            return False
        if (self.early and -lateness > self.early) or (self.late and lateness > self.late):
            return False
        if self.life and self._bucket(time_ms) + self.life < max(self.newest, timestamp):
            return False
        return self.currency is None or event.currency == self.currency

    cdef inline int64_t _bucket(self, int64_t time_ms) noexcept:
        return time_ms - time_ms % self.width if self.width else 0

    cdef inline bint _note(self, int kind, str name) except -1:
        return self.recent.note(self.recent.of_kind(kind, self.recent.of_text(name)))
