"""Start a whole Perijove for a test: real processes, own folders and ports, ended by process id."""
