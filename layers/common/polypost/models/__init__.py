"""What the core talks about; no model of the wire and none of a table is here."""
