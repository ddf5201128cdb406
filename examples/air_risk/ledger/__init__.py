"""A record of every execution of a task, whatever engine ran it."""
