"""Layouts of segments that are learned, or that are compared with the whole page.

- `borrowing`: what the layout of a segment takes from that of the whole page: its baseline, and slates on trial
"""
