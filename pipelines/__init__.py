"""Floor 2: steps over many comparisons. `pipelines.stats` is pure arithmetic."""
