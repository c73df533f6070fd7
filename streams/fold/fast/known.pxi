# The names that the quota has admitted, by bucket and page, and the places where events of a key are counted.

cdef struct CellPlace:
    int32_t page
    int32_t group
    int32_t whole
    int32_t traffic

cdef struct PageNumber:
    # The number that a name has in the directories of its page, whose names have this ident.
    int64_t ident
    int32_t number

cdef enum:
    PLACE_BITS = 20
    NAME_BITS = 22
    # As `streams.fold.names.name_codes` has the kinds of names.
    KEY = 0
    ITEM = 1
    SLOT = 2
    # Names of shelves, which count as slots against the quota.
    SHELF = 3


cdef class KnownNames:
    """Numbers of pages within buckets, of their items and slots, and of places: a page, segment and traffic."""

    cdef Table by_place, by_page, by_name
    cdef CellPlace *places
    cdef Py_ssize_t room
    cdef list keys
    cdef list texts
    cdef bint full
    cdef int64_t bucket
    cdef PageNumber *numbers
    cdef Py_ssize_t number_room

    def __init__(self):
        self.by_place, self.by_page, self.by_name = Table(), Table(), Table()
        self.keys, self.texts = [], []
        self.bucket = UNKNOWN

    def __dealloc__(self):
        free(self.places)
        free(self.numbers)

    cdef inline int64_t page(self, int64_t bucket, Name page) noexcept nogil:
        return self.by_page.get(_within(<uint64_t>bucket, page))

    cdef inline int64_t place(self, int64_t page, int traffic, Name segment) noexcept nogil:
        return self.by_place.get(_place_name(page, traffic, segment))

    cdef inline int64_t name(self, int64_t page, int kind, Text *text) noexcept nogil:
        return self.by_name.get(_name_in(page, kind, text))

    cdef bint add(self, Event *event, int64_t bucket, int64_t offset, new_names) except -1:
        """Take the names of an event in; False when there is no room for them."""
        cdef str page = _text_of(&event.page), segment = _text_of(&event.segment)
        cdef list brought = [], room = new_names.room(offset, bucket)
        cdef int64_t number
        cdef int step
        if not self.has_room() or <int64_t>room[KEY] < 1:
            return False
        if <int64_t>room[ITEM] < event.shown or <int64_t>room[SLOT] < event.shown + event.rows:
            return False
        number = self._page(bucket, page)
        if self.place(number, _traffic(event.variant), _of(segment)) == UNKNOWN:
            self._add_place(number, (page, segment, bucket, event.variant), new_names.groups(page, segment))
            brought.append((KEY, segment))
        for step in range(event.shown):
            self._add_name(number, ITEM, &event.items[step], brought)
            self._add_name(number, SLOT, &event.slots[step], brought)
        for step in range(event.rows):
            self._add_name(number, SHELF, &event.shelves[step], brought)
        for kind, _ in brought:
            room[kind] -= 1
        new_names.add(offset, bucket, page, brought)
        return True

    cdef int admit(self, event, int64_t bucket, tuple groups) except -1:
        """Take the names of an event in that is an object."""
        cdef int64_t number
        if not self.has_room():
            return 0
        number = self._page(bucket, event.page)
        if self.place(number, _traffic(event.variant), _of(event.segment)) == UNKNOWN:
            self._add_place(number, (event.page, event.segment, bucket, event.variant), groups)
        for shown in event.slots:
            self._add_text(number, ITEM, shown.item)
            self._add_text(number, SLOT, shown.slot)
        for shelf in event.rows.values():
            self._add_text(number, SHELF, shelf)
        return 0

    cdef bint has_room(self):
        cdef bint keys = len(self.keys) < 1 << PLACE_BITS, texts = len(self.texts) + 3 * MOST_SLOTS < 1 << NAME_BITS
        self.full = self.full or not (keys and texts)
        return not self.full

    cdef int _add_place(self, int64_t page, tuple key, tuple groups) except -1:
        cdef int traffic = _traffic(key[3])
        if len(self.keys) >= self.room:
            self.room = self.room * 2 or 256
            self.places = <CellPlace *>realloc(self.places, self.room * sizeof(CellPlace))
            if self.places == NULL:
                raise MemoryError
        self.places[len(self.keys)] = CellPlace(<int32_t>page, groups[0], groups[1], traffic)
        self.by_place.put(_place_name(page, traffic, _of(key[1])), len(self.keys))
        self.keys.append((*key[:3], key[3] if traffic else 0))
        return 0

    cdef int64_t _page(self, int64_t bucket, str page) except -1:
        cdef Name name = _within(<uint64_t>bucket, _of(page))
        cdef int64_t number = self.by_page.get(name)
        self.bucket = max(self.bucket, bucket)
        if number == UNKNOWN:
            number = self.by_page.used
            self.by_page.put(name, number)
        return number

    cdef int _add_text(self, int64_t page, int kind, str text) except -1:
        cdef bytes encoded = text.encode("utf-8", "surrogatepass")
        cdef Text name = Text(PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))
        return self._add_name(page, kind, &name, [])

    cdef int _add_name(self, int64_t page, int kind, Text *text, list brought) except -1:
        cdef Name name = _name_in(page, kind, text)
        cdef Py_ssize_t number = len(self.texts)
        if self.by_name.get(name) != UNKNOWN:
            return 0
        if number >= self.number_room:
            self.number_room = self.number_room * 2 or 1_024
            self.numbers = <PageNumber *>realloc(self.numbers, self.number_room * sizeof(PageNumber))
            if self.numbers == NULL:
                raise MemoryError
        self.numbers[number] = PageNumber(0, 0)
        self.by_name.put(name, number)
        self.texts.append(_text_of(text))
        # As `streams.fold.names.quota.shelf_name` has it.
        brought.append((SLOT, self.texts[number] + "\n") if kind == SHELF else (kind, self.texts[number]))
        return 0


cdef inline Name _name_in(int64_t page, int kind, Text *text) noexcept nogil:
    return _within(<uint64_t>(page * 4 + kind), _name(_keys, text.at, text.size))


cdef inline Name _place_name(int64_t page, int traffic, Name segment) noexcept nogil:
    return _within(<uint64_t>(page * 4 + traffic), segment)


cdef inline str _text_of(Text *text):
    return PyUnicode_DecodeUTF8(text.at, text.size, "surrogatepass")
