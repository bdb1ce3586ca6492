"""What the dashboard costs: bytes on the line, processor and memory, beside a bare Textual app."""
