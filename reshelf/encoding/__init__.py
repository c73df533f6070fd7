"""The encoder worker as a command: its settings, its clients, and its end."""
