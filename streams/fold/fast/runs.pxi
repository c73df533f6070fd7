# The keys of the records of a window, first in, first out.

cdef enum:
    RUN = 1_024

cdef struct Run:
    Run *next
    Py_ssize_t count
    Seen[RUN] entries


cdef class KeyRuns:
    """Entries of keys with their offsets, in runs."""

    cdef Run *oldest
    cdef Run *newest
    cdef Py_ssize_t at
    cdef int64_t run_count

    def __dealloc__(self):
        while self.oldest != NULL:
            self._free_oldest()

    cdef inline Seen *first(self) noexcept nogil:
        """The oldest entry; NULL where there is none."""
        return NULL if self.oldest == NULL else &self.oldest.entries[self.at]

    cdef int append(self, Seen entry) except -1 nogil:
        cdef Run *run = self.newest
        if run == NULL or run.count == RUN:
            run = <Run *>malloc(sizeof(Run))
            if run == NULL:
                with gil:
                    raise MemoryError
            run.next, run.count = NULL, 0
            if self.newest == NULL:
                self.oldest, self.at = run, 0
            else:
                self.newest.next = run
            self.newest = run
            self.run_count += 1
        run.entries[run.count] = entry
        run.count += 1
        return 0

    cdef int drop(self) noexcept nogil:
        """Drop the oldest entry."""
        self.at += 1
        if self.at == self.oldest.count:
            self._free_oldest()
        return 0

    cdef int _free_oldest(self) noexcept nogil:
        cdef Run *run = self.oldest
        self.oldest, self.at = run.next, 0
        if self.oldest == NULL:
            self.newest = NULL
        free(run)
        self.run_count -= 1
        return 0
