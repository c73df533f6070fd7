"""What this package starts: children, embedded servers, and the parts of a worker."""
