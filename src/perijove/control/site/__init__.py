"""The hub as a whole: what the configuration declares, how it stands, what is thrown away."""
