"""Named calls of vendors: what is asked for, how it is rendered, checked and sent."""
