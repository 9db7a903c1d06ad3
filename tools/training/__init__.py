"""Networks, losses, data and loops for training: torch lives only here."""
