"""What stands around a use case behind a queue."""
