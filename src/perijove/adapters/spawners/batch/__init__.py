"""Queues of batch systems (ports.batch) and the one poller that follows everybody's jobs in one of them."""
