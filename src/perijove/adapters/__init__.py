"""The world outside: databases, places where servers run, sources of identity. Adapters never import each other."""
