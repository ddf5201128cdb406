"""Linear corrections that are trained for each station."""
