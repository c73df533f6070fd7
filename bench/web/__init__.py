"""How fast the edge, the console and a renderer answer."""
