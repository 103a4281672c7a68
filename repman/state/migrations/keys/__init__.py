"""Steps of the store `keys`: keys of APIs that speak another product's protocol."""
