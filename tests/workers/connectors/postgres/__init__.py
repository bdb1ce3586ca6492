"""The PostgreSQL connector, against real servers."""
