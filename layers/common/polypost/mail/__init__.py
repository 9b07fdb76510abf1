"""A mail's own matters: its MIME message, the templates that a space writes."""
