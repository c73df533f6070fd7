"""What a shop of some size takes: each part of Reshelf in a state, a catalog and traffic of that size.

- `catalog`: the catalog of a shop, its pages, and who comes where: everything follows from a size
  and a seed
- `child`: a part of Reshelf as a process of its own: when it is ready, what it takes of memory and
  processor, what it says
- `counts`: what visitors did on a page on one day: drawn with numpy, the same for the same seed
- `encoding`: tables of counts to the bytes that Redis holds
- `filling`: the state of a shop, written into Redis by the project's own keys and formats, without
  the fold
- `parts`: each part of Reshelf, measured in a shop
- `published`: layouts of a whole shop on the topic, for those who only read them
- `report`: what is told of each part: the same keys for all, and a table for people
- `run`: all parts that were asked for, one after another, in one shop
- `sending`: records to topics, as many at once as the client takes
- `size`: how large a shop is: the sizes S, M and L, and the share of one worker
- `traffic`: visitors of a shop: page views, clicks and purchases by the clock, or as many as were
  asked for at once
- `workplace`: where the parts of a shop are measured: its topics, its state, and what is read of
  them from outside
"""
