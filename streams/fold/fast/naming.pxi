# The names of an event that the window of a partition notes.

cdef inline Py_ssize_t _append(char *texts, Py_ssize_t size, Text *name) noexcept nogil:
    """Append a line feed and a name to a text of a size; the size then."""
    texts[size] = 10
    memcpy(texts + size + 1, name.at, name.size)
    return size + 1 + name.size


cdef int _name_parts(RecentNames recent, Event *event, Seen *parts) noexcept nogil:
    """The parts that `Judge` notes: the slots of page, unit and page view, with line feeds between."""
    cdef char[MOST_BYTES + 2] texts
    cdef Name owner
    cdef int at
    memcpy(texts, event.page.at, event.page.size)
    cdef Py_ssize_t size = _append(texts, _append(texts, event.page.size, &event.unit), &event.page_view_id)
    owner = _name(recent.keys, texts, size)
    for at in range(event.shown):
        parts[at] = recent.of_part(owner, _name(recent.keys, event.slots[at].at, event.slots[at].size))
    recent.parts.table.expect(parts[0])
    return 0


cdef Name _within_page(RecentNames recent, Event *event, Text *name) noexcept nogil:
    """The name that `Judge` notes: page, line feed, name."""
    cdef char[MOST_BYTES + 1] texts
    memcpy(texts, event.page.at, event.page.size)
    return _name(recent.keys, texts, _append(texts, event.page.size, name))


cdef inline Seen _view(RecentNames recent, Event *event) noexcept nogil:
    return recent.of_kind(VIEW, _within_page(recent, event, &event.page_view_id))


cdef int _leave_out_repeated(RecentNames recent, Event *event, bint new_view, Seen *parts) noexcept nogil:
    """Leave slots out that were reported before, or are there twice; a page view that is new had none before.

    Their parts go behind the others.
    """
    cdef int at, other, new = 0
    cdef uint64_t bit, bits = 0
    cdef bint repeated
    cdef Seen part
    for at in range(event.shown):
        repeated = not new_view and recent.parts.holds(parts[at])
        bit = <uint64_t>1 << ((parts[at].low >> ENTRY_BITS) & 63)
        if bits & bit:
            for other in range(new):
                repeated = repeated or (parts[at].low == parts[other].low and parts[at].high == parts[other].high)
        bits |= bit
        if not repeated:
            if new < at:
                event.slots[new], event.items[new] = event.slots[at], event.items[at]
                event.visible_ms[new], event.row_of[new] = event.visible_ms[at], event.row_of[at]
                part = parts[new]
                parts[new], parts[at] = parts[at], part
            new += 1
    event.shown = new
    return 0
