"""How fast item texts become vectors."""
