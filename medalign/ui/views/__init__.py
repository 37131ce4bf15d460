"""Pure functions from results to HTML."""
