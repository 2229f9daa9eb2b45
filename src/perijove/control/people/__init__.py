"""Who may come in, and what is recorded of people and groups."""
