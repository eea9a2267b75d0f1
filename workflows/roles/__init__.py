"""The SaaS User Role block: asking a vendor for the roles of many accounts, and what follows."""
