"""What compacted topics say of items, vectors, pages and parameters, kept up to date."""
