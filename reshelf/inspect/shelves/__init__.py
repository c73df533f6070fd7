"""Why a shelf stands where it stands.

- `explained`: an explanation of a shelf from live topics and state
- `words`: it for people and scripts
"""
