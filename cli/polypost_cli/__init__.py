"""The operator's command, `polypost`, and the local stack in it."""
