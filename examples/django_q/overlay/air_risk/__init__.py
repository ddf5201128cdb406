"""air_risk: air quality, its correction, exposure and reports."""
