"""Commands that go on until they are stopped."""
