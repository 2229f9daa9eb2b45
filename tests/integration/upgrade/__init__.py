"""A running site takes up a new version or configuration."""
