"""Where verdicts come from: one interface (`base`), one module per source."""
