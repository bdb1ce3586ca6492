"""Embeds chosen text columns of destination tables and keeps the vectors beside the data.

What is to be done is read from the tables, never from messages: `Vectorizer.run_once` does the next piece,
and `serve_vectorizing` is a worker's loop around it.
"""

from workers.vectorize.loop import serve_vectorizing
from workers.vectorize.vectorizer import Vectorizer

__all__ = ["Vectorizer", "serve_vectorizing"]
