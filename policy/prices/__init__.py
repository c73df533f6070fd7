"""What other slates would earn: how much more or less than those of now, and how sure that is.

- `looks`: how often each item is looked at in a page view, under the slates of a layout
- `earnings`: clicks, orders and revenue of looks, as draws from what is known of the items
"""
