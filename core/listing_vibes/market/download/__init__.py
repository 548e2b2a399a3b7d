"""Download the photos of a market with URLs: politely, within limits, and resumable."""
