"""The model of the demonstration shop, as pure functions of a random generator and a clock.

- `follow_ups`: what follows page views some time later: product pages, carts, orders, and what is
  sent back
- `item`: an item as it stands in the catalog
- `model`: visitors, their tastes, the items, the stock
- `pages`: the shop's pages and segments, and the shelves of its front page
- `passing_tags`: what items are called for a while: new, or sold for less
- `words`: items with real words: titles and descriptions put together from word lists
  (`words.json`)
"""
