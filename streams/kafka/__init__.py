"""Clients, records and readers of Kafka outside of Faust."""
