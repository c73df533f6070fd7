"""Regret of the policy beside that of other libraries, each called through its own interface.

`trials` is how all of them are fed, `counting`, `linear`, `sampling` and `vowpal` are the
peers with their settings, `contest` runs them on shops of many seeds.
"""
