"""The fast path of the fold: the common case compiled, with the same results."""
