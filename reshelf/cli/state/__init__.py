"""Commands about namespaces of the state."""
