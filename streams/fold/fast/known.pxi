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
    # As `streams.fold.name_codes` has the kinds of names.
    KEY = 0
    ITEM = 1
    SLOT = 2


cdef class KnownNames:
    """Numbers of pages within buckets, of their items and slots, and of places: a page, segment and traffic."""

    cdef Table by_place, by_page, by_name
    cdef CellPlace *places
    cdef Py_ssize_t room
    cdef list keys
    cdef list texts
    cdef PageNumber *numbers
    cdef Py_ssize_t number_room

    def __init__(self):
        self.by_place, self.by_page, self.by_name = Table(), Table(), Table()
        self.keys, self.texts = [], []

    def __dealloc__(self):
        free(self.places)
        free(self.numbers)

    cdef inline int64_t page(self, int64_t bucket, Name page) noexcept nogil:
        return self.by_page.get(_within(<uint64_t>bucket, page))

    cdef inline int64_t place(self, int64_t page, int traffic, Name segment) noexcept nogil:
        return self.by_place.get(_place_name(page, traffic, segment))

    cdef inline int64_t item(self, int64_t page, Text *text) noexcept nogil:
        return self.by_name.get(_within(<uint64_t>page * 2, _name(text.at, text.size)))

    cdef inline int64_t slot(self, int64_t page, Text *text) noexcept nogil:
        return self.by_name.get(_within(<uint64_t>page * 2 + 1, _name(text.at, text.size)))

    cdef bint add(self, int64_t bucket, str page, str segment, int64_t variant, names, int group, int whole) except -1:
        """Take names in, each with its kind, and the place of the key; False when there is no more room."""
        cdef int64_t number = self._page(bucket, page)
        cdef int traffic = _traffic(variant)
        cdef Name place = _place_name(number, traffic, _of(segment))
        if len(self.keys) >= 1 << PLACE_BITS or len(self.texts) + 2 * MOST_SLOTS >= 1 << NAME_BITS:
            return False
        if self.by_place.get(place) == UNKNOWN:
            self._make_room()
            self.places[len(self.keys)] = CellPlace(<int32_t>number, group, whole, traffic)
            self.by_place.put(place, len(self.keys))
            self.keys.append((page, segment, bucket, variant if traffic else 0))
        for kind, text in names:
            if kind != KEY:
                self._add_name(number * 2 + (1 if kind == SLOT else 0), text)
        return True

    cdef int64_t _page(self, int64_t bucket, str page) except -1:
        cdef Name name = _within(<uint64_t>bucket, _of(page))
        cdef int64_t number = self.by_page.get(name)
        if number == UNKNOWN:
            number = self.by_page.used
            self.by_page.put(name, number)
        return number

    cdef int _make_room(self) except -1:
        if len(self.keys) >= self.room:
            self.room = self.room * 2 or 256
            self.places = <CellPlace *>realloc(self.places, self.room * sizeof(CellPlace))
            if self.places == NULL:
                raise MemoryError
        return 0

    cdef int _add_name(self, uint64_t where, str text) except -1:
        cdef Name name = _within(where, _of(text))
        cdef Py_ssize_t number = len(self.texts)
        if self.by_name.get(name) == UNKNOWN:
            if number >= self.number_room:
                self.number_room = self.number_room * 2 or 1_024
                self.numbers = <PageNumber *>realloc(self.numbers, self.number_room * sizeof(PageNumber))
                if self.numbers == NULL:
                    raise MemoryError
            self.numbers[number] = PageNumber(0, 0)
            self.by_name.put(name, number)
            self.texts.append(text)
        return 0


cdef inline Name _place_name(int64_t page, int traffic, Name segment) noexcept nogil:
    return _within(<uint64_t>(page * 4 + traffic), segment)


cdef inline str _text_of(Text *text):
    return PyUnicode_DecodeUTF8(text.at, text.size, "surrogatepass")
