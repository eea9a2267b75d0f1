"""From a vendor's record and the mapping rows to the values to write, compiled once per run."""
