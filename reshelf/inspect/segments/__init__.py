"""Learned segments for people and scripts.

- `gains`: what a page gains by learned segments: its own policy beside branches that have the slates of the
  whole page
- `history`: the last versions of learned segments, read once for each version that is in force
- `measured`: how much the published segments foretell of what visitors looked at after they were published
- `model`: the model of segments, its history, and why items lead to a segment
"""
