"""Commands about namespaces of the state.

- `replay`: `reshelf replay`: build the state of a stretch of log again
- `state`: `reshelf state`: what was learned, exported, compared and switched
"""
