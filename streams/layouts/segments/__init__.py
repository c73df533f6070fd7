"""Layouts of segments that are learned, or that are compared with the whole page.

- `borrowing`: what the layout of a segment takes from that of the whole page: its baseline, and slates on trial
- `keys`: which segments each page has layouts for: those that were heard of, and those that are learned
- `serving`: which learned segments a page has layouts for, and the epochs of their layouts
- `trial`: whether segments pay: a page's own policy against branches with the slates of the whole page
"""
