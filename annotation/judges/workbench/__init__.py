"""The prompt workbench: drafts tried on human labels, compared, promoted; criteria mined."""
