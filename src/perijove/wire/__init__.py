"""Words that hub and proxy share."""
