"""One decision taken apart and shown. Knows no model."""
