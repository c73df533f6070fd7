"""Learned segments, as their topic has them.

- `model_view`: the newest model of learned segments of which all parts are there
"""
