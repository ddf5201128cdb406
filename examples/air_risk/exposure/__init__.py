"""How many people breathe what: estimates for each district, and hotspots."""
