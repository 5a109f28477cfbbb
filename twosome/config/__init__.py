"""Settings: their shape and constraints, how a command line is composed and checked, how a run's are saved and read back."""
