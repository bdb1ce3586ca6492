"""Google's and Azure's object stores: what the files connector asks of them, as their protocols answer it."""
