"""HTTP around a use case: requests and responses, credentials, replay safety, pages."""
