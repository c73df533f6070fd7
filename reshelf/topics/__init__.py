"""Topics as the table declares them: created, compared, and written to."""
