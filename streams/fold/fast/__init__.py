"""The fast path of the fold: the common case compiled, with the same results.

- `path`: the compiled common case, where it was built (`compiled.pyx`); without it the same is
  done in Python
"""
