"""Events as they happen: posted to the service, kept durably, known to the next request of their user."""
