"""What several suites need to say."""
