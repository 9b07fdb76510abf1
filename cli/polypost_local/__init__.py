"""The local stack: the template's API, functions, queues and tables on one machine, without AWS and without Docker."""
