# Fields that the message does not have: any JSON value, checked as such and passed over.

cdef enum:
    # Nested deeper than this a value is left to the decoder, which has a limit of its own.
    MOST_DEPTH = 32


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


cdef bint _pass(Cursor *cursor, int depth) noexcept nogil:
    """Go past the value at the cursor; False where there is none."""
    cdef Text text
    cdef char first
    if cursor.at == cursor.end:
        return False
    first = cursor.at[0]
    if first == 34:
        return _text(cursor, &text) >= 0
    if first == 123:
        return depth < MOST_DEPTH and _pass_object(cursor, depth + 1)
    if first == 91:
        return depth < MOST_DEPTH and _pass_array(cursor, depth + 1)
    if first == 116:
        return _pass_word(cursor, b"true", 4)
    if first == 102:
        return _pass_word(cursor, b"false", 5)
    if first == 110:
        return _pass_word(cursor, b"null", 4)
    return _pass_number(cursor)


cdef bint _pass_object(Cursor *cursor, int depth) noexcept nogil:
    cdef Text key
    _takes(cursor, 123)
    if _takes(cursor, 125):
        return True
    while _text(cursor, &key) >= 0 and _takes(cursor, 58) and _pass(cursor, depth):
        if not _takes(cursor, 44):
            return _takes(cursor, 125)
    return False


cdef bint _pass_array(Cursor *cursor, int depth) noexcept nogil:
    _takes(cursor, 91)
    if _takes(cursor, 93):
        return True
    while _pass(cursor, depth):
        if not _takes(cursor, 44):
            return _takes(cursor, 93)
    return False


cdef inline bint _pass_word(Cursor *cursor, const char *word, Py_ssize_t size) noexcept nogil:
    if cursor.end - cursor.at < size or memcmp(cursor.at, word, size) != 0:
        return False
    cursor.at += size
    return True


cdef bint _pass_number(Cursor *cursor) noexcept nogil:
    """A number of any size (RFC 8259, section 6)."""
    if cursor.at < cursor.end and cursor.at[0] == 45:
        cursor.at += 1
    if cursor.at < cursor.end and cursor.at[0] == 48:
        cursor.at += 1
    elif not _pass_digits(cursor):
        return False
    if cursor.at < cursor.end and cursor.at[0] == 46:
        cursor.at += 1
        if not _pass_digits(cursor):
            return False
    if cursor.at < cursor.end and cursor.at[0] in (69, 101):
        cursor.at += 1
        if cursor.at < cursor.end and cursor.at[0] in (43, 45):
            cursor.at += 1
        return _pass_digits(cursor)
    return True


cdef inline bint _pass_digits(Cursor *cursor) noexcept nogil:
    """Go past one digit or more."""
    cdef const char *first = cursor.at
    while cursor.at < cursor.end and 48 <= cursor.at[0] <= 57:
        cursor.at += 1
    return cursor.at > first
