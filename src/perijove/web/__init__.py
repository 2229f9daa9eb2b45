"""The web surfaces: parse, authorise, call one use case, render."""
