"""Beat's schedules: reading them, saying them as Django-Q2's, comparing when they fire."""
