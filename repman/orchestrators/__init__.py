"""Those who start and kill database processes."""
