# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Tables of counts in one pass over their bytes: the same numbers as numpy's, without arrays in between."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy

import numpy as np

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline uint64_t word(const char *at) { uint64_t value; memcpy(&value, at, 8); return value; }
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define turned4(value) (value)
    #define turned8(value) (value)
    #else
    #define turned4(value) __builtin_bswap32(value)
    #define turned8(value) __builtin_bswap64(value)
    #endif
    static inline uint32_t count_at(const char *at) { uint32_t value; memcpy(&value, at, 4); return turned4(value); }
    static inline int64_t sum_at(const char *at) { uint64_t value; memcpy(&value, at, 8); return turned8(value); }
    """
    uint64_t word(const char *at) noexcept nogil
    uint32_t count_at(const char *at) noexcept nogil
    int64_t sum_at(const char *at) noexcept nogil

cdef enum:
    # The bytes of a directory before its first name.
    TOKEN = 8
    QUOTE = 34
    ESCAPE = 92

ctypedef fused Number:
    uint32_t
    int64_t

include "numbering.pxi"


def joined(const Py_ssize_t[::1] codes, const Py_ssize_t[::1] more, Py_ssize_t names):
    """Some numbers below `names` with those of `more` that are not among them behind, and where those of `more` are."""
    cdef Py_ssize_t at, count = codes.shape[0]
    every, rows = np.empty(count + more.shape[0], dtype=np.intp), np.empty(more.shape[0], dtype=np.intp)
    cdef Py_ssize_t[::1] into = every, places = rows
    # Where each is, plus 1.
    cdef Py_ssize_t *place = <Py_ssize_t *>calloc(max(names, 1), sizeof(Py_ssize_t))
    if place == NULL:
        raise MemoryError
    for at in range(count):
        into[at] = codes[at]
        place[codes[at]] = at + 1
    for at in range(more.shape[0]):
        if place[more[at]] == 0:
            into[count] = more[at]
            count += 1
            place[more[at]] = count
        places[at] = place[more[at]] - 1
    free(place)
    return every[:count], rows


def cells(list blocks not None, Py_ssize_t block, Py_ssize_t fields, Py_ssize_t rows, Py_ssize_t slots, Py_ssize_t size):
    """Each of so many `fields` of counts by item and slot, packed, from all bytes of their `blocks` of slots.

    Of `size` counts those of the first `rows` items are there.  What is packed are bytes and the width
    of a number, those of all, or of those that are not 0 and then of their places; None where all are 0.
    """
    cdef Py_ssize_t row, at, field, slot, first, end
    cdef const char *stored
    cdef uint32_t *flat = <uint32_t *>calloc(max(fields * size, 1), sizeof(uint32_t))
    if flat == NULL:
        raise MemoryError
    try:
        for at in range(len(blocks)):
            first, end = at * block, min(slots, (at + 1) * block)
            stored = PyBytes_AS_STRING(<bytes>blocks[at])
            for field in range(fields):
                for row in range(rows):
                    for slot in range(end - first):
                        flat[field * size + row * slots + first + slot] = count_at(
                            stored + 4 * ((row * block + slot) * fields + field)
                        )
        return [_packed_counts(flat + field * size, size) for field in range(fields)]
    finally:
        free(flat)


def sums(bytes stored not None, Py_ssize_t fields, const Py_ssize_t[::1] rows, Py_ssize_t size):
    """The same of sums by item, which belong to `rows` of `size`."""
    cdef Py_ssize_t at, field
    cdef const char *place = PyBytes_AS_STRING(stored)
    cdef int64_t *flat = <int64_t *>calloc(max(fields * size, 1), sizeof(int64_t))
    if flat == NULL:
        raise MemoryError
    try:
        for at in range(rows.shape[0]):
            for field in range(fields):
                flat[field * size + rows[at]] = sum_at(place)
                place += 8
        return [_packed_sums(flat + field * size, size) for field in range(fields)]
    finally:
        free(flat)


cdef object _packed_counts(const uint32_t *flat, Py_ssize_t size):
    cdef Py_ssize_t at
    cdef uint32_t counted = 0, bits = 0
    for at in range(size):
        counted += flat[at] != 0
        bits |= flat[at]
    # It has as many bytes as the largest.
    return _packed(flat, size, counted, bits, 0)


cdef object _packed_sums(const int64_t *flat, Py_ssize_t size):
    cdef Py_ssize_t at, counted = 0
    cdef int64_t most = 0, least = 0
    for at in range(size):
        counted += flat[at] != 0
        most, least = max(most, flat[at]), min(least, flat[at])
    return _packed(flat, size, counted, most, least)


cdef object _packed(const Number *flat, Py_ssize_t size, Py_ssize_t counted, int64_t most, int64_t least):
    cdef int width = _width(most, least), of_place = _width(size - 1, 0)
    cdef Py_ssize_t at, into = 0
    if counted == 0:
        return None
    cdef bint few = counted * (width + of_place) < size * width
    cdef bytes values = PyBytes_FromStringAndSize(NULL, width * (counted if few else size))
    cdef char *value = PyBytes_AS_STRING(values)
    if not few:
        for at in range(size):
            _put(value, width, at, flat[at])
        return values, width, None, 0
    cdef bytes places = PyBytes_FromStringAndSize(NULL, of_place * counted)
    cdef char *place = PyBytes_AS_STRING(places)
    for at in range(size):
        if flat[at] != 0:
            _put(value, width, into, flat[at])
            _put(place, of_place, into, at)
            into += 1
    return values, width, places, of_place


cdef inline int _width(int64_t most, int64_t least) noexcept nogil:
    """`streams.state.arrays.packed.narrowest`."""
    if least < 0 or most >= (<int64_t>1 << 32):
        return 8
    return 1 if most < (1 << 8) else (2 if most < (1 << 16) else 4)


cdef inline void _put(char *into, int width, Py_ssize_t at, int64_t value) noexcept nogil:
    if width == 1:
        (<uint8_t *>into)[at] = <uint8_t>value
    elif width == 2:
        (<uint16_t *>into)[at] = <uint16_t>value
    elif width == 4:
        (<uint32_t *>into)[at] = <uint32_t>value
    else:
        (<int64_t *>into)[at] = value


cdef inline int64_t _get(const uint8_t *stored, Py_ssize_t width, Py_ssize_t at) noexcept nogil:
    if width == 1:
        return stored[at]
    if width == 2:
        return (<const uint16_t *>stored)[at]
    if width == 4:
        return (<const uint32_t *>stored)[at]
    return (<const int64_t *>stored)[at]


def add(
    int64_t[:, ::1] into, const Py_ssize_t[::1] rows, const Py_ssize_t[::1] columns,
    const uint8_t[::1] counts, Py_ssize_t width, int64_t times,
):
    """Add packed counts by item and slot that many times, where their items and slots have a row and a column."""
    cdef Py_ssize_t item, slot, at = 0
    if counts.shape[0] == 0:
        return
    for item in range(rows.shape[0]):
        for slot in range(columns.shape[0]):
            if rows[item] >= 0 and columns[slot] >= 0:
                into[rows[item], columns[slot]] += times * _get(&counts[0], width, at)
            at += 1


def add_few(
    int64_t[:, ::1] into, const Py_ssize_t[::1] rows, const Py_ssize_t[::1] columns,
    const uint8_t[::1] counts, Py_ssize_t width, const uint8_t[::1] places, Py_ssize_t of_place, int64_t times,
):
    """The same of those that are not 0, which are at these places of all."""
    cdef Py_ssize_t at, row, slot
    cdef uint32_t place, item, slots = <uint32_t>columns.shape[0]
    for at in range(places.shape[0] // of_place):
        place = <uint32_t>_get(&places[0], of_place, at)
        item = place // slots
        row, slot = rows[item], columns[place - item * slots]
        if row >= 0 and slot >= 0:
            into[row, slot] += times * _get(&counts[0], width, at)
