"""Built-in spawners, one package for each kind of place."""
