"""The flow of a frame: threads, queues, batches, supervision."""
