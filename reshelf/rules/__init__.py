"""Merchandisers' rules: from a file to the topic, with a history of who changed what, when and why."""
