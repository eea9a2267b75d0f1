"""What the trials of killed processes are made of: a world, a zygote, wires, and an oracle."""
