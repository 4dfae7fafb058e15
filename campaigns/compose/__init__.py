"""Writing a campaign, seeing what it makes, and sending it off."""
