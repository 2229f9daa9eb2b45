"""The authenticators that come with Perijove."""
