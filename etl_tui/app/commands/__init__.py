"""All that can be done in the app, by name: keys, hints, help, palette and the `:` line come from here."""
