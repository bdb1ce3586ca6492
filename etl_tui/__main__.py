"""`python -m etl_tui` is `etl-tui`."""

from etl_tui.cli.main import main

main()
