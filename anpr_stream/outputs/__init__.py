"""Where events go: files and remote receivers behind a durable outbox."""
