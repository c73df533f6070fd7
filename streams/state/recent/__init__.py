"""What partitions had lately, on the learner's disk, so that a start need not read the window again from the log.

- `folder`: where the journals lie, one for each partition, and who uses which
- `journal`: what one partition's window noted, in order of the log
- `use`: how much of its time each partition's window covers, as learners say it in Redis
- `window`: the window of one partition, when a worker takes it up
"""
