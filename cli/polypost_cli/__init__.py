"""The operator's command, `polypost`. It needs what talks to AWS, and nothing of the local stack."""
