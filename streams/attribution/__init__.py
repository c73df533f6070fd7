"""Attribution: which click a purchase line is credited to, decided once and published.

A worker owns the same partition of clicks and purchases.

- `agent`: the partitions that a worker owns: clicks and purchases in, conversions out
- `app`: attribution's Faust app and what it connects to
- `conversions`: one partition of events-conversions: publishing decisions and finding those that
  stand there
- `core`: one partition's attribution, without IO but the look into the clicks on disk
- `order`: two logs, one order
- `published`: which decisions stand in events-conversions already
- `reattribute`: conversions decided anew from clicks and purchases, in place of those that were
  published
- `report`: what a worker reports as metrics
- `returns`: returns that are sent as purchases: they do not count yet, and are told from what is
  only wrong
- `windows`: attribution windows from page-rules: the newest of each page counts from when it is
  read
- `worker`: one partition's attribution with its IO, in the order that survives a crash
"""
