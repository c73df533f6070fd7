"""Namespaces of the state side by side: replayed, compared, exported, swapped."""
