"""`etl-tui --serve`: the dashboard in a browser, a process a tab; the page's terminal is textual-serve's."""
