"""Layouts and events over HTTP, for web tiers that do not speak Kafka."""
