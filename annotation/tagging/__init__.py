"""Tags of prompts from a closed vocabulary: imported, given by people, or by a judge."""
