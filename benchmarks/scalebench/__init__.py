"""Which runs of ScaleBench to buy under a budget, and how well a law fitted to them forecasts."""
