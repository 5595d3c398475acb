"""Results of gradings, and what is made from them: tables, pages, near-identical answers."""
