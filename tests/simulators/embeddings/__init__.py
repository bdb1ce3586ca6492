"""An OpenAI-compatible embedding endpoint with a will of its own."""

from tests.simulators.embeddings.server import EmbeddingServer, Fault, embed_words, serve_embeddings

__all__ = ["EmbeddingServer", "Fault", "embed_words", "serve_embeddings"]
