"""What observation costs: queries with everything on, with no SDK, and unobserved."""
