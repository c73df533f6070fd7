"""The state in Redis: where it lies, how it is written, read, checked and exported.

All keys of a state group carry one hash tag, so one script can touch them
atomically, on a cluster too.  `apply.lua` is the only writer of counts: it
compares the watermark, checks everything, then adds and moves the watermark.
"""
