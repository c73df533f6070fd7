"""Imports of logged data sets.

- `exports`: exports of other trackers as events, each once and in the order of time
- `imported`: old data through the topics: which ids they hold already, and the rest published with
  its own time
- `importing`: an import from start to end: publish what is missing, wait until the state holds it
- `open_bandit`: the Open Bandit Dataset as events
- `order_visitors`: whose an order is that names no visitor: that of the same order in another row
"""
