"""When: claims due jobs, rings for them, rescues what was lost, keeps house. Any number may run at once."""
