"""The journal of vendor calls that change something: each is a row before it is a call (M-26)."""
