"""Attribution: which click a signal, a purchase line or a return is credited to, decided once and published.

A worker owns the same partition of clicks, signals, purchases and returns.

- `agent`: the partitions that a worker owns: clicks, signals, purchases and returns in, conversions and
  credits out
- `app`: attribution's Faust app and what it connects to
- `core`: one partition's attribution, without IO but the look into what is remembered on disk
- `decisions`: one partition of a topic that attribution writes: publishing decisions and finding those
  that stand there
- `opening`: where attribution of a partition begins: with what is on disk, and what of the logs it needs
  beside that
- `order`: several logs, one order
- `published`: which decisions stand in the topics that attribution writes already
- `reattribute`: conversions and credits decided anew from what shops reported, in place of those that
  were published
- `report`: what a worker reports as metrics
- `step`: what a step of attribution has to work with, and what comes of it
- `windows`: attribution windows from page-rules: the newest of each page counts from when it is
  read
- `worker`: one partition's attribution with its IO, in the order that survives a crash
"""
