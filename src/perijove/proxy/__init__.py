"""The public door: sends each request to the server, service or hub it is for."""
