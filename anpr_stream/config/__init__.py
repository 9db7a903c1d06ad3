"""Settings: one YAML file, checked at load, with errors that name file, line and key."""
