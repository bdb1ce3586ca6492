"""How things look: colours, glyphs, cells of text."""
