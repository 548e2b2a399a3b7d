"""What is new at the marketplace, into a run: taken in, encoded, and published whole as the run's next generation."""
