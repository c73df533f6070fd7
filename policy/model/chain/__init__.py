"""The chain behind a click: click, signal (a cart, say), order, kept order; each stage with its own delay.

Carts come within minutes and are several times as many as orders, so clicks that are too young to have
been followed by orders say already what their item is likely to sell.  How much that counts is fitted on
the page: where signals do not foretell orders, matured clicks alone decide, as they do without signals.

- `coverage`: how many of the orders a signal preceded, table by table, and which tables log signals as
  the page does
- `fitting`: the averages of a page's stages, and how far signals foretell its orders
- `maturity`: the share of signals, of orders behind them and of returns that has come by now
- `returns`: the last stage: which orders are kept, and what a kept one earns
- `stages`: counts of the stages by table and item, and their sums by item
- `value`: the value of a click from all stages, in the place of `policy.model.reward.click_value`
"""
