"""The tab of where a job stands: tree, versions, differences, and the repair of it."""
