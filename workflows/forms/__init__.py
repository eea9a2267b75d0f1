"""Forms of workflows: what people type becomes parts of a definition."""
