# An impression read from its JSON, without an object.

cdef struct Limit:
    int64_t least
    int64_t most

cdef struct Limits:
    Limit event_id
    Limit occurred_at
    Limit unit
    Limit page
    Limit segment
    Limit page_view_id
    Limit layout_version
    Limit variant
    Limit slots
    Limit slot
    Limit item
    Limit visible_ms
    Limit row
    Limit rows
    Limit row_name
    Limit shelf
    Limit context
    Limit context_name
    Limit context_value

cdef struct Event:
    Text event_id
    Text unit
    Text page
    Text segment
    Text page_view_id
    int64_t occurred_at
    int64_t variant
    int shown
    Text[MOST_SLOTS] slots
    Text[MOST_SLOTS] items
    # How long each was visible (ms); UNTIMED where the event does not say.
    int64_t[MOST_SLOTS] visible_ms
    # The row that each names, if it does, and which of the event's rows it is in; UNKNOWN for none.
    Text[MOST_SLOTS] slot_rows
    int[MOST_SLOTS] row_of
    int rows
    Text[MOST_SLOTS] row_names
    Text[MOST_SLOTS] shelves

cdef struct Row:
    Text value
    Text key
    int64_t offset
    int64_t timestamp

cdef enum:
    # The bits of an impression's fields, and that of one which is none of them.
    ALL_FIELDS = 511
    UNKNOWN_FIELD = 512
    ROWS_FIELD = 1024
    CONTEXT_FIELD = 2048
    UNTIMED = -1


cdef inline bint _fits(int64_t value, Limit limit) noexcept nogil:
    return limit.least <= value <= limit.most


cdef inline bint _limited(Cursor *cursor, Text *text, Limit limit) noexcept nogil:
    return _fits(_text(cursor, text), limit)


cdef inline bint _number(Cursor *cursor, int64_t *number, Limit limit) noexcept nogil:
    """An integer of at most 18 digits as JSON writes it."""
    cdef bint minus = cursor.at < cursor.end and cursor.at[0] == 45
    cdef const char *first = cursor.at + minus
    cdef const char *at = first
    cdef int64_t value = 0
    while at < cursor.end and 48 <= at[0] <= 57:
        if at - first == 18:
            return False
        value = value * 10 + (at[0] - 48)
        at += 1
    if at == first or (first[0] == 48 and (minus or at - first > 1)):
        return False
    if at == cursor.end or at[0] not in (44, 125, 32, 10, 13, 9):
        return False
    cursor.at = at
    number[0] = -value if minus else value
    return _fits(number[0], limit)


cdef inline bint _is(Text *text, const char *name, Py_ssize_t size) noexcept nogil:
    return text.size == size and memcmp(text.at, name, size) == 0


cdef bint _time(Cursor *cursor, int64_t *visible_ms, Limit limit) noexcept nogil:
    """How long a slot was visible, or null."""
    return _pass_word(cursor, b"null", 4) or _number(cursor, visible_ms, limit)


cdef inline bint _shown_one(
    Cursor *cursor, Text *slot, Text *item, int64_t *visible_ms, Text *row, Limits *limits
) noexcept nogil:
    """A slot and its item, each once, and how long it was visible, and its row, if that is said."""
    cdef Text key
    cdef int have = 0
    visible_ms[0] = UNTIMED
    row.size = 0
    if not _takes(cursor, 123):
        return False
    while _text(cursor, &key) >= 0 and _takes(cursor, 58):
        if _is(&key, b"slot", 4):
            if have & 1 or not _limited(cursor, slot, limits.slot):
                return False
            have |= 1
        elif _is(&key, b"item", 4):
            if have & 2 or not _limited(cursor, item, limits.item):
                return False
            have |= 2
        elif _is(&key, b"visible_ms", 10):
            if have & 4 or not _time(cursor, visible_ms, limits.visible_ms):
                return False
            have |= 4
        elif _is(&key, b"row", 3):
            if have & 8 or not _limited(cursor, row, limits.row):
                return False
            have |= 8
        elif not _pass(cursor, 0):
            return False
        if not _takes(cursor, 44):
            return have & 3 == 3 and _takes(cursor, 125)
    return False


cdef bint _shown(Cursor *cursor, Event *event, Limits *limits) noexcept nogil:
    """The list of slots and items."""
    cdef int at = 0
    event.shown = 0
    if not _takes(cursor, 91):
        return False
    while at < MOST_SLOTS:
        if not _shown_one(
            cursor, &event.slots[at], &event.items[at], &event.visible_ms[at], &event.slot_rows[at], limits
        ):
            return False
        at += 1
        event.shown = at
        if not _takes(cursor, 44):
            return _takes(cursor, 93) and _fits(event.shown, limits.slots)
    return False


cdef int _row_at(Event *event, Text *name) noexcept nogil:
    """Which of the rows has a name; UNKNOWN for none."""
    cdef int at
    for at in range(event.rows):
        if _is(name, event.row_names[at].at, event.row_names[at].size):
            return at
    return UNKNOWN


cdef bint _rows(Cursor *cursor, Event *event, Limits *limits) noexcept nogil:
    """Rows with their shelves, each once."""
    cdef Text name, shelf
    if not _takes(cursor, 123):
        return False
    if _takes(cursor, 125):
        return _fits(0, limits.rows)
    while event.rows < MOST_SLOTS and _limited(cursor, &name, limits.row_name) and _takes(cursor, 58):
        if not _limited(cursor, &shelf, limits.shelf) or _row_at(event, &name) != UNKNOWN:
            return False
        event.row_names[event.rows], event.shelves[event.rows] = name, shelf
        event.rows += 1
        if not _takes(cursor, 44):
            return _takes(cursor, 125) and _fits(event.rows, limits.rows)
    return False


cdef bint _context(Cursor *cursor, Limits *limits) noexcept nogil:
    """What is known of the visit: checked and passed over."""
    cdef Text name, value
    cdef int pairs = 0
    if not _takes(cursor, 123):
        return False
    if _takes(cursor, 125):
        return True
    while _limited(cursor, &name, limits.context_name) and _takes(cursor, 58):
        pairs += 1
        if not _limited(cursor, &value, limits.context_value) or not _fits(pairs, limits.context):
            return False
        if not _takes(cursor, 44):
            return _takes(cursor, 125)
    return False


cdef void _find_rows(Event *event) noexcept nogil:
    """Which row each slot is in: the one that it names, or the part of its own name before the last full stop."""
    cdef Text row
    cdef int at
    for at in range(event.shown):
        event.row_of[at] = UNKNOWN
        if event.rows == 0:
            continue
        row = event.slot_rows[at]
        if row.size == 0:
            row = event.slots[at]
            while row.size > 0 and row.at[row.size - 1] != 46:
                row.size -= 1
            row.size = max(row.size - 1, 0)
        event.row_of[at] = _row_at(event, &row)


cdef int _field(Cursor *cursor, Text *key, Event *event, Limits *limits) noexcept nogil:
    """Read the value of a field; the field's bit, or 0 where the value is left to the decoder."""
    cdef int64_t version
    if _is(key, b"event_id", 8):
        return 1 if _limited(cursor, &event.event_id, limits.event_id) else 0
    if _is(key, b"occurred_at", 11):
        return 2 if _number(cursor, &event.occurred_at, limits.occurred_at) else 0
    if _is(key, b"unit", 4):
        return 4 if _limited(cursor, &event.unit, limits.unit) else 0
    if _is(key, b"page", 4):
        return 8 if _limited(cursor, &event.page, limits.page) else 0
    if _is(key, b"segment", 7):
        return 16 if _limited(cursor, &event.segment, limits.segment) else 0
    if _is(key, b"page_view_id", 12):
        return 32 if _limited(cursor, &event.page_view_id, limits.page_view_id) else 0
    if _is(key, b"layout_version", 14):
        return 64 if _number(cursor, &version, limits.layout_version) else 0
    if _is(key, b"variant", 7):
        return 128 if _number(cursor, &event.variant, limits.variant) else 0
    if _is(key, b"slots", 5):
        return 256 if _shown(cursor, event, limits) else 0
    if _is(key, b"rows", 4):
        return ROWS_FIELD if _rows(cursor, event, limits) else 0
    if _is(key, b"context", 7):
        return CONTEXT_FIELD if _context(cursor, limits) else 0
    return UNKNOWN_FIELD if _pass(cursor, 0) else 0


cdef bint _impression(Text value, char *spare, Event *event, Limits *limits) noexcept nogil:
    """Whether this is an impression with each field once; then `event` points into it and into the spare bytes."""
    cdef Cursor cursor = Cursor(value.at, value.at + value.size, spare)
    cdef Text key
    cdef int have = 0, bit
    event.rows = 0
    if not _takes(&cursor, 123):
        return False
    while _text(&cursor, &key) >= 0 and _takes(&cursor, 58):
        bit = _field(&cursor, &key, event, limits)
        if bit == 0 or have & bit & (ALL_FIELDS | ROWS_FIELD | CONTEXT_FIELD):
            return False
        have |= bit
        if not _takes(&cursor, 44):
            if have & ALL_FIELDS != ALL_FIELDS:
                return False
            _find_rows(event)
            return _takes(&cursor, 125) and cursor.at == cursor.end
    return False
