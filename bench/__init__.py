"""Measurements that anyone can run again: `reshelf bench …`."""
