"""How counts are laid out in Redis as dense little arrays."""
