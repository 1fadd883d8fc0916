"""Claims: sentences of papers as relations between cells, and what the records say of them."""
