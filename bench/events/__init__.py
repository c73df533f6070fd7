"""How fast events get from the log into the state."""
