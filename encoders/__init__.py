"""Catalog text to vectors: what changed is encoded once and published on catalog-embeddings."""
