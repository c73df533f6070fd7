"""How things break during a drill, and how they heal.

- `breaking`: faults as they become due, what heals them, and servers that are slow to come back
- `clock`: a worker on a machine whose clock is off, what it must not publish, and whether it had its turn
- `disk`: a disk for the workers' folders that can be filled
- `emptied`: all that Redis holds is gone at once
- `inject`: how each kind of fault breaks the stage and how it heals
- `partitions`: partitions are added to an event topic, and the manual is followed
- `password`: the password of Redis is changed at once
- `topic`: the topic of layouts is deleted and made again
"""
