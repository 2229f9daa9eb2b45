"""A server's life: wishes, the queue, starting, probing, polling, stopping, and who holds it meanwhile."""
