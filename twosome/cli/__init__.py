"""The commands. They start quickly: what is heavy is imported when the settings are known to be right."""
