"""The prompt workbench as pages: its forms, its previews, its rows."""
