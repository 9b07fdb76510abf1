"""Bodies of requests and responses: one model for each, read and written in every format that its API speaks."""
