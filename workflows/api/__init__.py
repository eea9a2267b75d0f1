"""What the API block is made of: its settings, its checks, its calls and what their answers set."""
