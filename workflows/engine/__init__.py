"""How items move: claimed in batches under a lease, worked on, and moved on in one transaction."""
