"""A connector for etl-tui: integrations of type `my-system`."""
