# Names as keyed hashes, and tables by name.

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
    MOST_SLOTS = 256
    # Of a page, a unit and a page view together, whose characters have up to four.
    MOST_BYTES = 1_535
    UNKNOWN = -1

# Of this process.
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


cdef inline Name _name(const uint64_t *keys, const char *at, Py_ssize_t size) noexcept nogil:
    """Two lanes of folded multiplication over 16 bytes at a time."""
    cdef Name name
    cdef uint64_t first, second
    cdef char[16] rest
    name.high, name.low = keys[0] ^ <uint64_t>size, keys[1]
    while size >= 16:
        first, second = word(at), word(at + 8)
        name.high = folded(name.high ^ first, keys[2] ^ second)
        name.low = folded(name.low ^ second, keys[3] ^ first)
        at += 16
        size -= 16
    memset(rest, 0, 16)
    memcpy(rest, at, size)
    first, second = word(rest), word(rest + 8)
    name.high = folded(name.high ^ first, keys[2] ^ second)
    name.low = folded(name.low ^ second, keys[3] ^ first)
    name.high = folded(name.high ^ keys[1], name.low ^ keys[2])
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

    cdef int _allot(self, Py_ssize_t capacity) except -1 nogil:
        cdef Py_ssize_t at
        self.entries = <Entry *>malloc(capacity * sizeof(Entry))
        if self.entries == NULL:
            with gil:
                raise MemoryError
        for at in range(capacity):
            self.entries[at].value = UNKNOWN
        self.mask = capacity - 1
        self.used = 0
        return 0

    cdef inline Entry *find(self, Name name) noexcept nogil:
        """The entry of a name, or the free one where it belongs."""
        cdef Py_ssize_t at = <Py_ssize_t>(name.high & <uint64_t>self.mask)
        cdef Entry *entry = &self.entries[at]
        while entry.value != UNKNOWN and (entry.name.low != name.low or entry.name.high != name.high):
            at = (at + 1) & self.mask
            entry = &self.entries[at]
        return entry

    cdef inline int64_t get(self, Name name) noexcept nogil:
        return self.find(name).value

    cdef int put(self, Name name, int64_t value) except -1 nogil:
        cdef Entry *entry = self.find(name)
        if entry.value == UNKNOWN:
            entry.name = name
            self.used += 1
        entry.value = value
        if self.used * 2 > self.mask:
            self._grow()
        return 0

    cdef int _grow(self) except -1 nogil:
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


cdef inline Name _of(str text):
    cdef bytes encoded = text.encode("utf-8", "surrogatepass")
    return _name(_keys, PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))


cdef inline int _traffic(int64_t variant) noexcept nogil:
    return 0 if variant >= 0 else (1 if variant == -1 else 2)


cdef inline uint32_t _bin(Text unit) noexcept nogil:
    """CRC-32 of a unit modulo 256."""
    cdef uint32_t value = ~<uint32_t>0
    cdef Py_ssize_t at
    for at in range(unit.size):
        value = _crc[(value ^ <unsigned char>unit.at[at]) & 255] ^ (value >> 8)
    return ~value & 255
