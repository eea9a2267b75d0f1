"""The forms of the Configuration pages."""
