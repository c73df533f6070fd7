"""Controlled experiments on the stream: intervals and tests that may be looked at at any time."""
