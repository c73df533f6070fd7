"""How well estimates from logs hold."""
