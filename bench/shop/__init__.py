"""What a shop of some size takes: each part of Reshelf in a state, a catalog and traffic of that size.

- `catalog`: the catalog of a shop, its pages, and who comes where: everything follows from a size
  and a seed
- `child`: a part of Reshelf as a process of its own: when it is ready, what it takes of memory and
  processor, what it says
- `others`: the other layout workers of a shop that is measured by a share: they own their
  partitions, and do nothing
- `parts`: each part of Reshelf, measured in a shop
- `published`: layouts of a whole shop on the topic, for those who only read them
- `publishing`: a merchandiser's draft in the console of a shop: previewed, published, and on the
  topic of layouts
- `report`: what is told of each part: the same keys for all, and a table for people
- `run`: all parts that were asked for, one after another, in one shop
- `sending`: records to topics, as many at once as the client takes
- `size`: how large a shop is: the sizes S, M and L, and the share of one worker
- `state`: the counts of a shop, made without the fold
- `traffic`: visitors of a shop: page views, clicks and purchases by the clock, or as many as were
  asked for at once
- `workplace`: where the parts of a shop are measured: its topics, its state, and what is read of
  them from outside
"""
