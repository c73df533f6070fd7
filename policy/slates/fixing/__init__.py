"""Arms fixed in slots before the others are chosen.

- `arms`: arms fixed by pins, and for exposure to hold over all slates
- `soft_pins`: arms that are to stand in a slot or above it: where their scores put them, if that is there
"""
