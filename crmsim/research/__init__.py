"""Questions asked of many runs: experiments, paired comparisons, fits, published facts."""
