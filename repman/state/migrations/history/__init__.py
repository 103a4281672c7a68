"""Steps of the store `history`: events and changes of the writer."""
