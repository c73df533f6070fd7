"""What a drill runs against: broker, stores and workers of its own."""
