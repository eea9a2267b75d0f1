"""What the trials of workflows share: a company, workers that die, and the judgement."""
