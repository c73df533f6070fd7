"""What other slates would earn: how much more or less than those of now, and how sure that is.

- `earnings`: clicks, orders and revenue of places on a page, as draws from what is known of items and
  slots
- `looks`: how often each place of a page is looked at, as draws
- `places`: how often each item stands in each slot of a page view, and is looked at there, under the
  slates of a layout
"""
