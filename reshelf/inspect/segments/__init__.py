"""Learned segments for people and scripts.

- `measured`: how much the published segments foretell of what visitors looked at after they were published
- `model`: the model of segments, its history, and why items lead to a segment
"""
