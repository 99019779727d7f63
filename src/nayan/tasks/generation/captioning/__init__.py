"""Networks that say in a sentence what a picture shows."""
