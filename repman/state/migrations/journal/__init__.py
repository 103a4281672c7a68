"""Steps of the store `journal`: plans, their entries, and what each cluster's monitor remembers."""
