"""Work that goes on in a thread beside what is measured."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def beside(work: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Do the work until the block is left; `stop` makes it end, which is waited for."""
    thread = threading.Thread(target=work, name=work.__qualname__, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()
