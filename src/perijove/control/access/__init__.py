"""What somebody may do: identities, tokens, OAuth, and why."""
