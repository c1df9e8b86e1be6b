"""From preference rows to packed, prefix-shared, token-budget batches."""
