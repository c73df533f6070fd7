"""How long it takes from a click to a layout that shows it."""
