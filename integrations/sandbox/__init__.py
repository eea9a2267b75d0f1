"""The vendors' side on loopback: strict, kept, seeded, and able to fail on request."""
