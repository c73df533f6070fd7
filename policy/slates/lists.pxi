# Lists of items by shelf: the same as numpy's in `policy.pages.drawing`, without many small arrays.


def best_items(
    int32_t[:, :, ::1] lists,
    double[:, :, ::1] values,
    const Py_ssize_t[:, ::1] items,
    const double[:, ::1] scores,
    const uint8_t[:, ::1] masks,
    Py_ssize_t first,
    Py_ssize_t end,
):
    """Write the best items of shelves `first` to `end`, of those in their masks [H, A], with their scores.

    `items` and `scores` [V, A] are best first, `lists` and `values` [V, H, L] are empty before.
    """
    cdef Py_ssize_t variant, shelf, place, count, item
    cdef Py_ssize_t length = lists.shape[2]
    for variant in range(items.shape[0]):
        for shelf in range(first, end):
            count = 0
            for place in range(items.shape[1]):
                if count == length or scores[variant, place] == -INFINITY:
                    break
                item = items[variant, place]
                if masks[shelf, item]:
                    lists[variant, shelf, count] = <int32_t>item
                    values[variant, shelf, count] = scores[variant, place]
                    count += 1


def best_left(
    int32_t[:, :, ::1] tops,
    double[:, :, ::1] top_values,
    const int32_t[:, :, ::1] lists,
    const double[:, :, ::1] values,
    const int32_t[:, ::1] owners,
    const uint8_t[:, ::1] which,
):
    """Write the first items of lists that belong to nobody or to the shelf, where `which` [V, H] says so."""
    cdef Py_ssize_t variant, shelf, place, column
    cdef Py_ssize_t columns = tops.shape[2]
    cdef int32_t item, owner
    for variant in range(which.shape[0]):
        for shelf in range(which.shape[1]):
            if not which[variant, shelf]:
                continue
            column = 0
            for place in range(lists.shape[2]):
                item = lists[variant, shelf, place]
                if column == columns or item < 0:
                    break
                owner = owners[variant, item]
                if owner == -1 or owner == shelf:
                    tops[variant, shelf, column] = item
                    top_values[variant, shelf, column] = values[variant, shelf, place]
                    column += 1
            for place in range(column, columns):
                tops[variant, shelf, place] = -1
                top_values[variant, shelf, place] = 0.0
