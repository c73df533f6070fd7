# Names with numbers, by hash.

cdef struct Entry:
    # The upper half of a name's hash, and its number plus 1; 0 where there is none.
    uint32_t mark
    uint32_t number


cdef class Numbering:
    """Names with their numbers, in the order in which they came; one that is asked for and is new goes to `names`."""

    cdef list names
    cdef Entry *entries
    cdef uint64_t mask

    def __cinit__(self, list names not None):
        self.names = names
        self.entries = NULL
        self._allot(256)

    def __dealloc__(self):
        free(self.entries)

    def __getitem__(self, str name not None):
        cdef Py_ssize_t size
        cdef const char *at = PyUnicode_AsUTF8AndSize(name, &size)
        return self._number(at, size)

    def stored(self, bytes directory not None):
        """The numbers of the names in a stored directory, intp[N]; None where one is written with escapes."""
        cdef const char *at = PyBytes_AS_STRING(directory) + TOKEN
        cdef const char *end = PyBytes_AS_STRING(directory) + PyBytes_GET_SIZE(directory)
        cdef const char *close
        cdef Py_ssize_t count = 0
        if at >= end:
            return np.empty(0, dtype=np.intp)
        if memchr(at, ESCAPE, end - at) != NULL:
            return None
        numbers = np.empty((end - at) // 3 + 1, dtype=np.intp)
        cdef Py_ssize_t[::1] into = numbers
        while at < end:
            close = <const char *>memchr(at + 1, QUOTE, end - at - 1)
            if close == NULL:
                raise ValueError("expected a quote behind each name of a directory")
            into[count] = self._number(at + 1, close - at - 1)
            count += 1
            at = close + 2
        return numbers[:count]

    cdef Py_ssize_t _number(self, const char *at, Py_ssize_t size) except -1:
        cdef uint64_t hashed = _hash(at, size)
        cdef Entry *entry = self._find(hashed, at, size)
        if entry.number == 0:
            self.names.append(PyUnicode_DecodeUTF8(<char *>at, size, NULL))
            entry.mark, entry.number = <uint32_t>(hashed >> 32), <uint32_t>len(self.names)
            if 2 * <uint64_t>len(self.names) > self.mask:
                self._allot(2 * (self.mask + 1))
            return len(self.names) - 1
        return entry.number - 1

    cdef Entry *_find(self, uint64_t hashed, const char *at, Py_ssize_t size) except NULL:
        """The entry of a name, or the free one where it belongs."""
        cdef uint64_t place = hashed & self.mask
        cdef Entry *entry = &self.entries[place]
        cdef const char *other
        cdef Py_ssize_t length
        while entry.number:
            if entry.mark == <uint32_t>(hashed >> 32):
                other = PyUnicode_AsUTF8AndSize(self.names[entry.number - 1], &length)
                if length == size and memcmp(other, at, size) == 0:
                    break
            place = (place + 1) & self.mask
            entry = &self.entries[place]
        return entry

    cdef int _allot(self, uint64_t capacity) except -1:
        """Room for half as many names as `capacity`, a power of 2."""
        cdef Entry *entries = <Entry *>calloc(capacity, sizeof(Entry))
        cdef Py_ssize_t number, size
        cdef const char *at
        cdef uint64_t hashed
        cdef Entry *entry
        if entries == NULL:
            raise MemoryError
        free(self.entries)
        self.entries, self.mask = entries, capacity - 1
        for number in range(len(self.names)):
            at = PyUnicode_AsUTF8AndSize(self.names[number], &size)
            hashed = _hash(at, size)
            entry = self._find(hashed, at, size)
            entry.mark, entry.number = <uint32_t>(hashed >> 32), <uint32_t>(number + 1)
        return 0


cdef inline uint64_t _hash(const char *at, Py_ssize_t size) noexcept nogil:
    cdef uint64_t value = <uint64_t>size, last = 0
    while size >= 8:
        value = _mixed(value ^ word(at))
        at += 8
        size -= 8
    memcpy(&last, at, size)
    return _mixed(value ^ last)


cdef inline uint64_t _mixed(uint64_t value) noexcept nogil:
    """SplitMix64 (Steele, Lea and Flood 2014)."""
    value = (value ^ (value >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    value = (value ^ (value >> 27)) * <uint64_t>0x94D049BB133111EB
    return value ^ (value >> 31)
