"""Signs of life for layouts that do not change, in place of publishing each again.

- `freshness`: when each key was brought up to date last: a pure object, the time comes in with every call
- `ownership`: which keys are this worker's: those in its partitions of `layout-requests`
- `signs`: what a worker says of the lives of its partitions, and what it has published again instead
"""
