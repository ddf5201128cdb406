"""Reports over days and weeks."""
