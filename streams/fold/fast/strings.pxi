# Strings as JSON writes them: UTF-8, and escapes, which are written out beside the record.

cdef struct Cursor:
    const char *at
    const char *end
    # Room for what escapes stand for: at least as many bytes as are left to read.
    char *spare

cdef unsigned char[256] _plain
cdef unsigned char[256] _short_escapes
cdef signed char[256] _hex_digits


cdef void _make_characters():
    """Bytes that stand for themselves, and those of escapes; what is left over is for UTF-8 or no string at all."""
    cdef int at
    for at in range(256):
        _plain[at] = 32 <= at < 128 and at not in b'"\\'
        _short_escapes[at] = 0
        _hex_digits[at] = int(chr(at), 16) if at in b"0123456789abcdefABCDEF" else -1
    for mark, meant in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t'):
        _short_escapes[<int>mark] = meant


_make_characters()


cdef inline Py_ssize_t _text(Cursor *cursor, Text *text) noexcept nogil:
    """Read a string, the cursor being at its first quote; how many characters it has, or -1 for what is none."""
    cdef const char *at = cursor.at
    cdef const char *end = cursor.end
    if at == end or at[0] != 34:
        return -1
    at += 1
    text.at = at
    while at < end and _plain[<unsigned char>at[0]]:
        at += 1
    if at < end and at[0] == 34:
        text.size = at - text.at
        cursor.at = at + 1
        return text.size
    cursor.at = at
    return _wide(cursor, text)


cdef Py_ssize_t _wide(Cursor *cursor, Text *text) noexcept nogil:
    """The rest of a string from a byte on that is not plain."""
    cdef Py_ssize_t within = 0
    cdef unsigned char one
    cdef int size
    while cursor.at < cursor.end:
        one = <unsigned char>cursor.at[0]
        if one == 34:
            text.size = cursor.at - text.at
            cursor.at += 1
            return text.size - within
        if one == 92:
            return _escaped(cursor, text, within)
        size = 1 if _plain[one] else _utf8(cursor)
        if size == 0:
            return -1
        cursor.at += size
        within += size - 1
    return -1


cdef Py_ssize_t _escaped(Cursor *cursor, Text *text, Py_ssize_t within) noexcept nogil:
    """The rest of a string from its first escape on; `within` bytes before it begin no character."""
    cdef char *first = cursor.spare
    cdef unsigned char one
    cdef int size
    memcpy(first, text.at, cursor.at - text.at)
    cursor.spare += cursor.at - text.at
    text.at = first
    while cursor.at < cursor.end:
        one = <unsigned char>cursor.at[0]
        if one == 34:
            text.size = cursor.spare - first
            cursor.at += 1
            return text.size - within
        if one == 92:
            size = _unescape(cursor)
        elif _plain[one]:
            size = 1
            cursor.spare[0] = <char>one
            cursor.at += 1
        else:
            size = _utf8(cursor)
            memcpy(cursor.spare, cursor.at, size)
            cursor.at += size
        if size == 0:
            return -1
        cursor.spare += size
        within += size - 1
    return -1


cdef inline bint _continues(char one) noexcept nogil:
    return (<unsigned char>one & 0xC0) == 0x80


cdef inline int _utf8(Cursor *cursor) noexcept nogil:
    """Bytes of the character beyond ASCII at the cursor; 0 where UTF-8 has none (RFC 3629, section 4)."""
    cdef const char *at = cursor.at
    cdef Py_ssize_t left = cursor.end - at
    cdef unsigned char first = <unsigned char>at[0]
    cdef unsigned char second
    if left < 2 or not 0xC2 <= first <= 0xF4:
        return 0
    second = <unsigned char>at[1]
    if not _continues(at[1]):
        return 0
    if first < 0xE0:
        return 2
    if left < 3 or not _continues(at[2]):
        return 0
    if first < 0xF0:
        return 0 if (first == 0xE0 and second < 0xA0) or (first == 0xED and second > 0x9F) else 3
    if left < 4 or not _continues(at[3]):
        return 0
    return 0 if (first == 0xF0 and second < 0x90) or (first == 0xF4 and second > 0x8F) else 4


cdef int _unescape(Cursor *cursor) noexcept nogil:
    """Write out the escape at the cursor and go past it; how many bytes it became, 0 for what is no escape."""
    cdef int code, low
    cdef unsigned char meant
    if cursor.end - cursor.at < 2:
        return 0
    if cursor.at[1] != 117:
        meant = _short_escapes[<unsigned char>cursor.at[1]]
        cursor.spare[0] = <char>meant
        cursor.at += 2
        return meant != 0
    code = _code(cursor)
    if 0xD800 <= code < 0xDC00:
        low = _code(cursor)
        if not 0xDC00 <= low < 0xE000:
            return 0
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
    elif code < 0 or 0xDC00 <= code < 0xE000:
        return 0
    return _encode(code, cursor.spare)


cdef int _code(Cursor *cursor) noexcept nogil:
    """The number of an escape such as \\u00e4 at the cursor, which goes past it; -1 where there is none."""
    cdef const char *at = cursor.at
    cdef int step, digit, code = 0
    if cursor.end - at < 6 or at[0] != 92 or at[1] != 117:
        return -1
    for step in range(2, 6):
        digit = _hex_digits[<unsigned char>at[step]]
        if digit < 0:
            return -1
        code = code * 16 + digit
    cursor.at += 6
    return code


cdef inline int _encode(int code, char *to) noexcept nogil:
    """Write a character in UTF-8; how many bytes it takes, never more than its escape."""
    if code < 0x80:
        to[0] = <char>code
        return 1
    if code < 0x800:
        to[0], to[1] = <char>(0xC0 | code >> 6), <char>(0x80 | code & 63)
        return 2
    if code < 0x10000:
        to[0], to[1], to[2] = <char>(0xE0 | code >> 12), <char>(0x80 | code >> 6 & 63), <char>(0x80 | code & 63)
        return 3
    to[0], to[1] = <char>(0xF0 | code >> 18), <char>(0x80 | code >> 12 & 63)
    to[2], to[3] = <char>(0x80 | code >> 6 & 63), <char>(0x80 | code & 63)
    return 4
