"""What Polypost does, one module for each thing."""
