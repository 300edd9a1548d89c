"""The paired trial: the same questions with raw and masked pictures and with controls, asked of one model."""
