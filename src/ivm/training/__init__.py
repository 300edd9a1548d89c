"""Training: objectives, Lightning modules, recipes, calibration."""
