"""Stations, their measurements and the rasters made from them."""
