"""What is kept on this machine: history, pictures, lists, and for how long."""
